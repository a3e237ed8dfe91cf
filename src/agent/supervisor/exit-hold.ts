/**
 * `exit-hold.json`: to whom this agent's end was attested. Whoever has a statement may go on without this agent, in a
 * generation of its own; so an agent that starts with statements outstanding takes no part in its old generation until
 * each of them is settled: the asker says that it will not use it, or its new generation is adopted.
 */
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { syncFolder, writeFileAtomic } from "../../base/atomic-file.ts";
import { AgentError, errorCode, errorMessage } from "../../base/errors.ts";
import { isJsonObject } from "../../base/json.ts";
import { type AgentCode } from "../errors.ts";

export interface OutstandingStatement {
  readonly nonce: string;
  /** Peer id of the member that asked. */
  readonly asker: string;
}

/** More than this is never given out. */
export const maxStatements = 64;
const perAsker = 4;
const fileName = "exit-hold.json";
const version = 1;

export class ExitHold {
  readonly #dataDir: string;
  #statements: readonly OutstandingStatement[];

  private constructor(dataDir: string, statements: readonly OutstandingStatement[]) {
    this.#dataDir = dataDir;
    this.#statements = statements;
  }

  /** @throws AgentError DATA_DIR_INVALID when the file is damaged: what it held back must not start unasked. */
  static async read(dataDir: string): Promise<ExitHold> {
    const file = path.join(dataDir, fileName);
    try {
      return new ExitHold(dataDir, parse(await readFile(file, "utf8")));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return new ExitHold(dataDir, []);
      const message =
        `Cannot read "${file}": ${errorMessage(error)}. It says which members were told that this agent is gone. ` +
        `Remove it only after checking on the others (muster operator raft) that none went on without this node; otherwise start with an empty data directory and join again`;
      throw new AgentError<AgentCode>("DATA_DIR_INVALID", message, {}, { cause: error });
    }
  }

  get statements(): readonly OutstandingStatement[] {
    return this.#statements;
  }

  /** Durable when it resolves; false when too many are outstanding. */
  async add(statement: OutstandingStatement): Promise<boolean> {
    const ofAsker = this.#statements.filter(({ asker }) => asker === statement.asker).length;
    if (ofAsker >= perAsker || this.#statements.length >= maxStatements) return false;
    await this.#write([...this.#statements, statement]);
    return true;
  }

  /** The asker will not use it any more. */
  async settle(nonce: string): Promise<void> {
    await this.#write(this.#statements.filter((statement) => statement.nonce !== nonce));
  }

  /** A generation was entered in which no statement means anything. */
  async clear(): Promise<void> {
    if (this.#statements.length > 0) await this.#write([]);
  }

  async #write(statements: readonly OutstandingStatement[]): Promise<void> {
    const file = path.join(this.#dataDir, fileName);
    if (statements.length > 0) {
      await writeFileAtomic(file, `${JSON.stringify({ version, statements })}\n`);
    } else {
      await rm(file, { force: true });
      await syncFolder(this.#dataDir);
    }
    this.#statements = statements;
  }
}

/** @throws SyntaxError */
function parse(text: string): readonly OutstandingStatement[] {
  const value: unknown = JSON.parse(text);
  if (!isJsonObject(value) || value["version"] !== version)
    throw new SyntaxError("it has another form");
  const { statements } = value;
  if (!Array.isArray(statements)) throw new SyntaxError("it lists no statements");
  return statements.map((item: unknown) => {
    if (!isJsonObject(item)) throw new SyntaxError("a statement is no object");
    const { nonce, asker } = item;
    if (typeof nonce !== "string" || typeof asker !== "string") {
      throw new SyntaxError("a statement is incomplete");
    }
    return { nonce, asker };
  });
}

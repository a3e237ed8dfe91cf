/**
 * What outlives a simulated agent on its machine: a supervisor that attests its end, and the note of who was told, as
 * src/agent/supervisor does with processes and files. A statement leaves only when the note is on disk, and an agent
 * that starts finds it there.
 */
import { type NodeId } from "../../src/consensus/core/types.ts";
import { type ExitStatement } from "../../src/consensus/lineage/types.ts";
import { readWatermark } from "../../src/consensus/storage/meta-file.ts";
import { type ExitHold, type OutstandingStatement } from "../../src/agent/supervisor/exit-hold.ts";
import { type SimDisk } from "./disk.ts";
import { type Life } from "./life.ts";

/** `exit-hold.json`. */
export class DiskHold implements Pick<ExitHold, "statements" | "settle" | "clear"> {
  readonly #disk: SimDisk;
  readonly #life: Life;
  #statements: readonly OutstandingStatement[];

  constructor(disk: SimDisk, life: Life) {
    this.#disk = disk;
    this.#life = life;
    this.#statements = disk.hold;
  }

  get statements(): readonly OutstandingStatement[] {
    return this.#statements;
  }

  add(statement: OutstandingStatement): Promise<void> {
    return this.#write([...this.#statements, statement]);
  }

  settle(nonce: string): Promise<void> {
    return this.#write(this.#statements.filter((statement) => statement.nonce !== nonce));
  }

  async clear(): Promise<void> {
    if (this.#statements.length > 0) await this.#write([]);
  }

  async #write(statements: readonly OutstandingStatement[]): Promise<void> {
    await this.#disk.writeHold(this.#life, statements);
    this.#statements = statements;
  }
}

export interface ExitQuestion {
  readonly node: NodeId;
  readonly asker: NodeId;
  readonly nonce: string;
}

/** Lives from the end of an agent to its next start, on a machine that is on. */
export class Attester {
  readonly #disk: SimDisk;
  readonly #life: Life;
  readonly #hold: DiskHold;
  /** One statement at a time: each rewrites the note. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(disk: SimDisk, life: Life) {
    this.#disk = disk;
    this.#life = life;
    this.#hold = new DiskHold(disk, life);
  }

  end(): void {
    this.#life.kill();
  }

  /** Null when the agent's files cannot tell where its log ended. */
  ask(question: ExitQuestion): Promise<ExitStatement | null> {
    const answer = this.#queue.then(() => this.#attest(question));
    this.#queue = answer.catch(() => null);
    return answer;
  }

  async #attest({ node, asker, nonce }: ExitQuestion): Promise<ExitStatement | null> {
    const found = await readWatermark("/raft", this.#disk.mount(this.#life).files);
    if (found === null) return null;
    await this.#hold.add({ nonce, asker });
    const { generation, voters, term, lastTerm, last: lastIndex, chain } = found;
    return { node, nonce, generation, voters, term, lastTerm, lastIndex, chain };
  }
}

/**
 * The vars each local run was given, kept until the inventory has its result: what is recorded must
 * be what was used, also when the agent was restarted and a var was changed in between. Files are
 * readable by the agent only.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { writeFileAtomic } from "../base/atomic-file.ts";
import { errorCode } from "../base/errors.ts";
import { type JsonObject, isJsonObject } from "../base/json.ts";

export interface RunVarsStore {
  /** Null when nothing (readable) is kept for this run. */
  read(run: string): Promise<JsonObject | null>;
  write(run: string, vars: JsonObject): Promise<void>;
  remove(run: string): Promise<void>;
}

export class FileRunVarsStore implements RunVarsStore {
  readonly #folder: string;

  constructor(options: { readonly folder: string }) {
    this.#folder = options.folder;
  }

  async read(run: string): Promise<JsonObject | null> {
    try {
      const value: unknown = JSON.parse(await readFile(this.#fileOf(run), "utf8"));
      return isJsonObject(value) ? value : null;
    } catch (error) {
      if (errorCode(error) === "ENOENT" || error instanceof SyntaxError) return null;
      throw error;
    }
  }

  async write(run: string, vars: JsonObject): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.#fileOf(run), JSON.stringify(vars));
  }

  async remove(run: string): Promise<void> {
    await rm(this.#fileOf(run), { force: true });
  }

  /** Run ids have slashes, and can be longer than a file name may be. */
  #fileOf(run: string): string {
    return path.join(this.#folder, `${createHash("sha256").update(run).digest("hex")}.json`);
  }
}

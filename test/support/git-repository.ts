/** A git repository in a temporary folder, for tests of what is fetched from one. */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

export const configFixture = path.join(import.meta.dirname, "../fixtures/config-repository");

export class GitRepository {
  readonly directory: string;

  /** Begins with the fixture's content on branch `main`. */
  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
    this.git("init", "--quiet", "--initial-branch=main");
    cpSync(configFixture, directory, { recursive: true });
    this.commit("begin");
  }

  get url(): string {
    return `file://${this.directory}`;
  }

  git(...args: readonly string[]): string {
    const who = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
    const options = { cwd: this.directory, encoding: "utf8" } as const;
    return execFileSync("git", [...who, ...args], options).trim();
  }

  write(name: string, content: string, mode = 0o644): void {
    const file = path.join(this.directory, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, mode);
  }

  commit(message: string): string {
    this.git("add", "--all");
    this.git("commit", "--quiet", "--allow-empty", "-m", message);
    return this.git("rev-parse", "HEAD");
  }
}

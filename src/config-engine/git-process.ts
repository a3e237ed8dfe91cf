/**
 * Runs git itself: arguments as a list, never a shell, no questions asked at a terminal, only transports we
 * know, a time limit, and a limit of output. What git says last on stderr becomes the error.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { type Readable, type Writable } from "node:stream";
import { type Clock } from "../base/clock.ts";
import { AgentError } from "../base/errors.ts";
import { signal } from "./process-stop.ts";

export interface GitOptions {
  /** Environment git may need (PATH, HOME, SSH_AUTH_SOCK, proxies); ours is added. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface GitDependencies {
  readonly clock: Clock;
}

/** git ended with an error, or was ended by us. `message` is safe to show: credentials are taken out. */
export class GitFailure extends AgentError<"GIT_FAILED"> {
  /** Null when git did not end by itself. */
  readonly exitCode: number | null;

  constructor(message: string, exitCode: number | null) {
    super("GIT_FAILED", message);
    this.exitCode = exitCode;
  }
}

const errorBytes = 16 * 1024;
const outputBytes = 64 * 1024 * 1024;
const killAfterMs = 5000;

type GitChild = ChildProcessByStdio<Writable, Readable, Readable>;

export class Git {
  readonly #options: GitOptions;
  readonly #clock: Clock;

  constructor(options: GitOptions, dependencies: GitDependencies) {
    this.#options = options;
    this.#clock = dependencies.clock;
  }

  /** Runs git to its end and gives what it wrote. */
  async run(args: readonly string[], signal: AbortSignal, input = ""): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.stream(args, signal, input)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** What git writes, as it comes. A consumer that stops early ends git. */
  async *stream(
    args: readonly string[],
    signal: AbortSignal,
    input: string,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    signal.throwIfAborted();
    const child = this.#spawn(args);
    const ending = new GitEnding(child, this.#clock, {
      timeoutMs: this.#options.timeoutMs,
      signal,
    });
    child.stdin.on("error", () => {}); // EPIPE: git ended early, and its exit code says why.
    child.stdin.end(input);
    let bytes = 0;
    try {
      for await (const chunk of child.stdout as AsyncIterable<Uint8Array>) {
        bytes += chunk.length;
        if (bytes > outputBytes) ending.stop(`it wrote more than ${outputBytes} bytes`);
        yield chunk;
      }
      await ending.success();
    } finally {
      ending.stop("it was not needed any more");
      await ending.gone();
    }
  }

  #spawn(args: readonly string[]): GitChild {
    return spawn("git", ["-c", "core.hooksPath=/dev/null", ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      detached: true, // A group of its own: its helpers are ended with it, and none can ask a terminal.
      env: {
        GIT_SSH_COMMAND: "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15",
        ...this.#options.environment,
        LC_ALL: "C",
        GIT_TERMINAL_PROMPT: "0",
        GIT_ASKPASS: "",
        SSH_ASKPASS: "",
        GIT_ALLOW_PROTOCOL: "file:git:http:https:ssh",
        GIT_NO_REPLACE_OBJECTS: "1",
      },
    });
  }
}

/** Watches one git process: time limit, abort, last line of stderr, and that it is gone at the end. */
class GitEnding {
  readonly #child: GitChild;
  readonly #closed = Promise.withResolvers<number | null>();
  readonly #clock: Clock;
  readonly #cleanUp: (() => void)[] = [];
  #stderr = "";
  #stopped: string | null = null;
  #ended = false;

  constructor(
    child: GitChild,
    clock: Clock,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ) {
    this.#child = child;
    this.#clock = clock;
    child.stderr.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString("utf8")).slice(-errorBytes);
    });
    child.once("error", (error) => {
      this.#stopped ??= error.message;
      this.#close(null);
    });
    child.once("close", (code) => this.#close(code));
    const onAbort = (): void => this.stop("it was cancelled");
    options.signal.addEventListener("abort", onAbort, { once: true });
    const limit = `it took longer than ${options.timeoutMs} ms`;
    this.#cleanUp.push(clock.setTimer(options.timeoutMs, () => this.stop(limit)));
    this.#cleanUp.push(() => options.signal.removeEventListener("abort", onAbort));
  }

  stop(reason: string): void {
    if (this.#ended || this.#stopped !== null) return;
    this.#stopped = reason;
    this.#signal("SIGTERM");
    this.#cleanUp.push(this.#clock.setTimer(killAfterMs, () => this.#signal("SIGKILL")));
  }

  /** To git and all it started: a transport helper left alone would keep our pipes open. */
  #signal(name: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid !== undefined) signal(-pid, name);
  }

  async success(): Promise<void> {
    const code = await this.#closed.promise;
    if (this.#stopped !== null) throw new GitFailure(this.#stopped, null);
    if (code !== 0) throw new GitFailure(lastLine(this.#stderr), code);
  }

  async gone(): Promise<void> {
    await this.#closed.promise;
  }

  #close(code: number | null): void {
    this.#ended = true;
    for (const clean of this.#cleanUp) clean();
    this.#closed.resolve(code);
  }
}

function lastLine(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim());
  const telling = lines.filter((line) => /^(fatal|error|ERROR|remote|ssh|Host key)/.test(line));
  const line = telling[0] ?? lines.findLast((text) => text !== "") ?? "git ended with an error";
  return withoutCredentials(line.replace(/^(fatal|error): /, ""));
}

/** Takes user names, passwords and tokens out of every URL in a text. */
export function withoutCredentials(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^/@\s]*@/gi, "$1");
}

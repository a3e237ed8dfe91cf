/** Runs a program to its end; what it wrote is the answer, and the message when it failed. */
import { execFile } from "node:child_process";

export function run(program: string, args: readonly string[], input = ""): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = execFile(program, [...args], { timeout: 30_000 }, (error, stdout, stderr) => {
    if (error === null) resolve(stdout);
    else reject(new Error(`${program} ${args.join(" ")}: ${stderr.trim() || error.message}`));
  });
  // A program that ends without reading closes the pipe; its exit code says what happened.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  return promise;
}

/** As `run`, in a network namespace: the program is replaced there, so its pid is the one that was started. */
export function inside(namespace: string, command: readonly string[]): [string, ...string[]] {
  return ["nsenter", `--net=/run/netns/${namespace}`, "--", ...command];
}

/**
 * Files of directives with expected output, as published with etcd's raft library (the cockroachdb/datadriven
 * format). They are read where they are, never copied; where they are missing, the tests that need them are skipped.
 *
 *     # comment
 *     command key=value key=(a,b)
 *     input line
 *     ----
 *     expected output, up to an empty line
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import process from "node:process";

export interface Directive {
  readonly command: string;
  readonly args: ReadonlyMap<string, readonly string[]>;
  /** Arguments in order, as `key` or `key=value`. */
  readonly words: readonly string[];
  readonly input: string;
  readonly expected: string;
  /** `file:line`, for messages. */
  readonly at: string;
}

const root = path.resolve(import.meta.dirname, "../..");

/** The folder of this suite, or null with the reason it cannot run. */
export function conformanceFolder(suite: string): { folder: string | null; reason: string } {
  const base = process.env["MUSTER_CONFORMANCE"] ?? path.join(root, "../shared/conformance");
  const folder = path.join(base, suite);
  if (existsSync(folder)) return { folder, reason: "" };
  return { folder: null, reason: `conformance data "${suite}" is not here (MUSTER_CONFORMANCE)` };
}

export function dataFiles(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".txt"))
    .sort()
    .map((name) => path.join(folder, name));
}

export function readDirectives(file: string): readonly Directive[] {
  const lines = readFileSync(file, "utf8").split("\n");
  const directives: Directive[] = [];
  for (let i = 0; i < lines.length; i += 1) {
    const line = lines[i] ?? "";
    if (line.trim() === "" || line.startsWith("#")) continue;
    const separator = lines.indexOf("----", i);
    if (separator < 0) break;
    // A doubled separator brackets output that contains empty lines.
    const bracketed = lines[separator + 1] === "----";
    const start = separator + (bracketed ? 2 : 1);
    const end = bracketed ? lines.indexOf("----", start) : lines.indexOf("", start);
    const stop = end < 0 ? lines.length : end;
    directives.push({
      ...parseCommand(line),
      input: lines.slice(i + 1, separator).join("\n"),
      expected: lines.slice(start, stop).join("\n").trimEnd(),
      at: `${path.basename(file)}:${i + 1}`,
    });
    i = bracketed ? stop + 1 : stop;
  }
  return directives;
}

function parseCommand(line: string): Pick<Directive, "command" | "args" | "words"> {
  const words = line.match(/[^\s=]+=\([^)]*\)|\([^)]*\)|\S+/g) ?? [];
  const [command = "", ...rest] = words;
  const args = new Map<string, readonly string[]>();
  for (const word of rest) {
    const [key = "", ...value] = word.split("=");
    args.set(key, parseValue(value.join("=")));
  }
  return { command, args, words: rest };
}

function parseValue(text: string): readonly string[] {
  if (text === "") return [];
  if (!text.startsWith("(")) return [text];
  const inner = text.slice(1, -1).trim();
  return inner === "" ? [] : inner.split(/[\s,]+/);
}

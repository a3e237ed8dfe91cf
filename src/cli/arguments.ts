/** What several verbs take: which nodes, which vars, in which form to print. */
import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { parseDuration } from "../base/duration.ts";
import { type AgentError, errorMessage } from "../base/errors.ts";
import { hasFiniteNumbers, isJsonObject, type Json, type JsonObject } from "../base/json.ts";
import { type Format, formats, parseFormat } from "./render/output.ts";
import { usage } from "./usage.ts";

export interface OutputFlags {
  readonly output: Format;
}

/** Adds `-o`. It is checked while the line is parsed: nothing is done before its result can be shown. */
export function withOutput(command: Command): Command {
  const option = new Option("-o, --output <FORMAT>", formats.join("|"));
  return command.addOption(option.default("table").argParser(parseFormat));
}

/** Adds `--timeout`: how long to wait for a job. */
export function withTimeout(command: Command): Command {
  const describe = "stop waiting after this long; the job goes on";
  return command.addOption(new Option("--timeout <DURATION>", describe).argParser(parseTimeout));
}

/** Adds `--limit`. */
export function withLimit(command: Command, atFirst: number): Command {
  const option = new Option("--limit <N>", "how many at most");
  return command.addOption(option.default(atFirst).argParser(parseLimit));
}

function parseLimit(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw usage(`Cannot use --limit "${text}": expected a whole number of at least 1`);
}

export interface TargetFlags {
  readonly selector?: string;
  readonly all?: boolean;
}

export interface Targets {
  readonly nodes?: readonly string[];
  readonly selector?: string;
  readonly all?: boolean;
}

export function withTargets(command: Command): Command {
  return command
    .argument("[NODE...]", "names of nodes")
    .option("-l, --selector <SELECTOR>", "nodes that match: rack=r1,role=web,phase=commissioned")
    .option("--all", "all nodes of the cluster");
}

/** Exactly one way of naming nodes; nothing at all is not "everything". */
export function targetsOf(names: readonly string[], flags: TargetFlags): Targets {
  const ways = [names.length > 0, flags.selector !== undefined, flags.all === true];
  const given = ways.filter(Boolean).length;
  if (given === 0) throw usage("Say which nodes: names, -l SELECTOR, or --all for every node");
  if (given > 1) throw usage("Name nodes in one way only: names, -l SELECTOR, or --all");
  if (flags.selector !== undefined) {
    if (flags.selector.trim() === "") {
      throw usage("Cannot use an empty selector; --all means every node");
    }
    return { selector: flags.selector };
  }
  return flags.all === true ? { all: true } : { nodes: names };
}

export function collect(value: string, all: readonly string[] | undefined): string[] {
  return [...(all ?? []), value];
}

/** `k=v` texts as an object of values. */
export function parseAssignments(texts: readonly string[]): JsonObject {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf("=");
      if (equals <= 0) throw usage(`Cannot read "${text}": expected KEY=VALUE`);
      return [text.slice(0, equals), parseLoose(text.slice(equals + 1))];
    }),
  );
}

/** `KEY=VALUE` sets, `KEY-` removes (null in a merge patch). */
export function parseChanges(texts: readonly string[]): JsonObject {
  const isRemoval = (text: string): boolean =>
    text.length > 1 && !text.includes("=") && text.endsWith("-");
  const set = parseAssignments(texts.filter((text) => !isRemoval(text)));
  const removed = texts.filter(isRemoval).map((text) => [text.slice(0, -1), null] as const);
  return { ...set, ...Object.fromEntries(removed) };
}

/**
 * JSON where it reads as JSON, else a text. A number that would come back different (`1.10`, `1e5`, more digits
 * than a double holds) is a text too: a version must not lose its last digit.
 */
export function parseLoose(text: string): Json {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return text;
  }
  if (typeof value === "object" && !hasFiniteNumbers(value)) throw outOfRange("a value");
  return typeof value === "number" && String(value) !== text.trim() ? text : value;
}

/** A mapping from a YAML or JSON file; `-` is standard input. */
export async function readMapping(file: string): Promise<JsonObject> {
  const parsed = await readDocument(file);
  if (isJsonObject(parsed)) return parsed;
  throw usage(`Cannot use "${file}": it is not a mapping of keys to values`);
}

export async function readDocument(file: string): Promise<unknown> {
  let text: string;
  try {
    text = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw usage(`Cannot read "${file}": ${errorMessage(error)}`);
  }
  const { parse } = await import("yaml");
  let document: unknown;
  try {
    document = parse(text, { maxAliasCount: 0 }) as unknown;
  } catch (error) {
    throw usage(`Cannot read "${file}": ${errorMessage(error)}`);
  }
  if (!hasFiniteNumbers(document)) throw outOfRange(`"${file}"`);
  return document;
}

/** JSON would make null of it without a word. */
function outOfRange(what: string): AgentError<"USAGE"> {
  return usage(
    `Cannot use ${what}: it has a number that JSON cannot hold (infinite, or none); write it as a text, in quotes`,
  );
}

function parseTimeout(text: string): number {
  const ms = parseDuration(text);
  if (ms !== null) return ms;
  throw usage(`Cannot use --timeout "${text}": expected a duration such as 90s or 15m`);
}

/** What several verbs take: which nodes, which vars, in which form to print. */
import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { parseDuration } from "../base/duration.ts";
import { errorMessage } from "../base/errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../base/json.ts";
import { usage } from "./connect.ts";
import { type Format, formats, parseFormat } from "./render/output.ts";

/** Adds `-o`; read it with `formatOf`. */
export function withOutput(command: Command): Command {
  return command.addOption(new Option("-o, --output <FORMAT>", formats.join("|")).default("table"));
}

export function formatOf(flags: { readonly output?: string }): Format {
  return parseFormat(flags.output ?? "table");
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

/** `k=v` texts: v is JSON when it reads as JSON (numbers, true, objects), else a text. */
export function parseAssignments(texts: readonly string[]): JsonObject {
  const values: Record<string, Json> = {};
  for (const text of texts) {
    const equals = text.indexOf("=");
    if (equals <= 0) throw usage(`Cannot read "${text}": expected KEY=VALUE`);
    values[text.slice(0, equals)] = parseLoose(text.slice(equals + 1));
  }
  return values;
}

export function parseLoose(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
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
  try {
    return parse(text, { maxAliasCount: 0 }) as unknown;
  } catch (error) {
    throw usage(`Cannot read "${file}": ${errorMessage(error)}`);
  }
}

export function parseTimeout(text: string): number {
  const ms = parseDuration(text);
  if (ms === null) throw usage(`Cannot use "${text}": expected a duration such as 90s or 15m`);
  return ms;
}

/** `muster operator conflicts`: values that were acknowledged on a side that lost, and what becomes of them. */
import { type Command } from "commander";
import { type ConflictAnswer, type resolutions } from "../../api/contract/lineage.ts";
import { systemClock } from "../../base/clock.ts";
import { isJsonObject, type Json } from "../../base/json.ts";
import { type OutputFlags, withLimit, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { readPages } from "../pages.ts";
import { printSingle } from "../render/output.ts";
import { type Column, renderFields, renderTable, type TableSize } from "../render/table.ts";
import { age, plain } from "../render/values.ts";
import { usage } from "../usage.ts";
import { type WatchFlags, watchListing, withWatch } from "../watch.ts";

interface ListFlags extends WatchFlags {
  readonly generation?: string;
  readonly state: string;
  readonly limit: number;
}

const states = ["pending", "applied", "discarded", "superseded", "all"] as const;

export function addConflictCommands(operator: Command, context: CliContext): void {
  const conflicts = operator
    .command("conflicts")
    .description("acknowledged values that a merge of two generations could not keep");
  withLimit(withWatch(withOutput(conflicts.command("list", { isDefault: true }))), 1000)
    .description("what waits for a decision")
    .option("--generation <ID>", "only of this generation (id, or how it begins)")
    .option("--state <STATE>", states.join("|"), "pending")
    .action((flags: ListFlags) => listConflicts(context, flags));
  withOutput(conflicts.command("show"))
    .description("both values of a conflict, where they differ")
    .argument("<CONFLICT>", "id or unique prefix")
    .action(async (id: string, { output }: OutputFlags) => {
      const { value } = await connect(context).call("getConflict", { params: { id } });
      const lines = (size: TableSize): string => conflictLines(value, size);
      await printSingle(context, { value, name: value.id, lines }, output);
    });
  addVerb(conflicts, context, "apply");
  addVerb(conflicts, context, "discard");
}

const verbs = {
  apply: {
    description: "bring the other side's value in force, if the record was not changed since",
    route: "applyConflict",
  },
  discard: { description: "leave it at the value in force", route: "discardConflict" },
} as const;

function addVerb(conflicts: Command, context: CliContext, verb: keyof typeof verbs): void {
  const { description, route } = verbs[verb];
  conflicts
    .command(verb)
    .description(description)
    .argument("<CONFLICT...>", "ids or unique prefixes")
    .action(async (ids: readonly string[]) => {
      const client = connect(context);
      for (const id of ids) {
        const { value } = await client.call(route, { params: { id } });
        context.print(`${value.id} ${value.state}: ${value.key}`);
      }
    });
}

async function listConflicts(context: CliContext, flags: ListFlags): Promise<void> {
  const { generation, limit } = flags;
  const state = states.find((known) => known === flags.state);
  if (state === undefined) {
    throw usage(`Cannot use --state "${flags.state}": expected ${states.join(", ")}`);
  }
  const client = connect(context);
  const query = {
    ...(generation === undefined ? {} : { generation }),
    ...(state === "all" ? {} : { state: state satisfies (typeof resolutions)[number] }),
  };
  await watchListing(context, flags, async () => {
    const items = await readPages(limit, async (page) => {
      const { value } = await client.call("listConflicts", { query: { ...query, ...page } });
      return value;
    });
    const none = state === "pending" ? "No conflicts wait for a decision" : "No conflicts";
    return { items, columns, nameOf: (one: ConflictAnswer) => one.id, none };
  });
}

const columns: readonly Column<ConflictAnswer>[] = [
  { head: "ID", cell: ({ id }) => id },
  { head: "RECORD", cell: ({ key }) => key },
  { head: "STATE", cell: ({ state }) => state },
  { head: "IN FORCE", cell: inForceText, shrinks: true },
  { head: "OTHER SIDE", cell: ({ otherSide }) => brief(otherSide), shrinks: true },
  { head: "AGE", cell: ({ at }) => age(at, systemClock.wallMs()) },
  { head: "GENERATION", cell: ({ generation }) => generation.slice(0, 8), wide: true },
  { head: "RULE", cell: ({ rule }) => rule, wide: true },
  { head: "BY", cell: ({ resolvedBy }) => resolvedBy ?? "-", wide: true },
];

/** Of what a rule decided for good (a node, a job) the value of now is not told; that is no deletion. */
function inForceText({ inForce, resolvedBy }: ConflictAnswer): string {
  return inForce === null && resolvedBy === "merge" ? "-" : brief(inForce);
}

function brief(value: Json): string {
  if (value === null) return "(deleted)";
  const isVar = isJsonObject(value) && "key" in value && "value" in value;
  return plain(isVar ? value["value"] : value);
}

interface Difference {
  readonly path: string;
  readonly here: string;
  readonly there: string;
}

function conflictLines(conflict: ConflictAnswer, size: TableSize): string {
  const { id, key, state, rule, generation, at, resolvedBy, changedSince } = conflict;
  const isOpen = state === "pending";
  const fields = renderFields([
    ["conflict", id],
    ["record", key],
    ["state", resolvedBy === null ? state : `${state} by ${resolvedBy}`],
    ["rule", rule],
    ["generation", generation],
    ["merged", at],
  ]);
  const here = isOpen ? conflict.inForce : conflict.atMerge;
  const differences = differ("", here, conflict.otherSide);
  const table =
    differences.length === 0
      ? "both values are the same"
      : renderTable(differences, differenceColumns(isOpen), size);
  return [fields, "", table, ...advice(id, isOpen, changedSince)].join("\n");
}

function advice(id: string, isOpen: boolean, changedSince: boolean): string[] {
  if (!isOpen) return [];
  const discard = `muster operator conflicts discard ${id}`;
  return changedSince
    ? ["", `changed since the merge: write what should be, then ${discard}`]
    : ["", `take the other side's: muster operator conflicts apply ${id}`, `leave it: ${discard}`];
}

function differenceColumns(isOpen: boolean): readonly Column<Difference>[] {
  return [
    { head: "FIELD", cell: ({ path }) => (path === "" ? "(whole)" : path) },
    { head: isOpen ? "IN FORCE" : "AT THE MERGE", cell: ({ here }) => here, shrinks: true },
    { head: "OTHER SIDE", cell: ({ there }) => there, shrinks: true },
  ];
}

/** Leaves that differ, by their path. */
function differ(path: string, here: Json | undefined, there: Json | undefined): Difference[] {
  if (JSON.stringify(here) === JSON.stringify(there)) return [];
  if (isPlain(here) && isPlain(there)) {
    const keys = [...new Set([...Object.keys(here), ...Object.keys(there)])].sort();
    return keys.flatMap((key) => {
      return differ(path === "" ? key : `${path}.${key}`, here[key], there[key]);
    });
  }
  return [{ path, here: text(here, path), there: text(there, path) }];
}

function isPlain(value: Json | undefined): value is { readonly [key: string]: Json } {
  return value !== undefined && isJsonObject(value);
}

function text(value: Json | undefined, path: string): string {
  if (value === undefined) return "-";
  return value === null && path === "" ? "(deleted)" : plain(value);
}

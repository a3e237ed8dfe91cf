/**
 * `npm run bench -- EXPERIMENT… | all`: measurements, beside etcd where it can do the same. Prints a table per experiment
 * and writes the same as JSON with `--json FILE`.
 */
import { writeFile } from "node:fs/promises";
import os from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { help, misused, understood, whole } from "../test/support/tool-options.ts";
import { type Experiment, type Row, type Settings } from "./experiment.ts";
import { failover } from "./experiments/failover.ts";
import { reads, writes } from "./experiments/http-load.ts";
import { idle } from "./experiments/idle.ts";
import { memory } from "./experiments/memory.ts";
import { propose } from "./experiments/propose.ts";
import { restart } from "./experiments/restart.ts";
import { stop } from "./experiments/stop.ts";
import { tableOf } from "./report.ts";
import { missing } from "./tools.ts";

const experiments = [writes, reads, propose, failover, stop, restart, idle, memory];
const names = experiments.map(({ name }) => name).join(", ");

interface Outcome {
  readonly experiment: string;
  readonly about: string;
  readonly load: readonly number[];
  readonly rows: readonly Row[];
  readonly skipped: string | null;
}

async function carryOut(experiment: Experiment, settings: Settings): Promise<Outcome> {
  const { name, about, needs } = experiment;
  const skipped = missing(needs);
  const load = os.loadavg().map((value) => Math.round(value * 10) / 10);
  print(`\n## ${name}: ${about}\n`);
  if (skipped !== null) print(`skipped: ${skipped}`);
  const rows = skipped === null ? await experiment.run(settings) : [];
  if (rows.length > 0) print(`${tableOf(rows)}\n\nload of the machine before: ${load.join(" ")}`);
  return { experiment: name, about, load, rows, skipped };
}

/** @throws Error */
function chosen(given: readonly string[]): readonly Experiment[] {
  const strange = given.find(
    (one) => one !== "all" && !experiments.some(({ name }) => name === one),
  );
  if (strange !== undefined) throw new Error(`There is no experiment "${strange}"`);
  return experiments.filter(({ name }) => given.includes(name) || given.includes("all"));
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const usage = `usage: npm run bench -- EXPERIMENT… [--rounds N] [--seconds N] [--clients 1,16,128,1000]
                            [--entries N] [--json FILE]
experiments: all, ${names}
`;
const { values, wanted, settings } = understood(usage, () => {
  const parsed = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "5" },
      clients: { type: "string", default: "1,16,128,1000" },
      entries: { type: "string" },
      json: { type: "string" },
      help,
    },
  });
  const { rounds, seconds, clients, entries } = parsed.values;
  const settings: Settings = {
    rounds: whole("rounds", rounds, 1),
    seconds: whole("seconds", seconds, 1),
    clients: clients.split(",").map((count) => whole("clients", count, 1)),
    entries: entries === undefined ? null : whole("entries", entries, 1),
    note: (text) => process.stderr.write(`  ${text}\n`),
  };
  return { ...parsed, wanted: chosen(parsed.positionals), settings };
});
if (wanted.length === 0) misused(usage, "Which experiment?");
const outcomes: Outcome[] = [];
for (const experiment of wanted) outcomes.push(await carryOut(experiment, settings));
if (values.json !== undefined) {
  const { rounds, seconds, clients, entries } = settings;
  const machine = { cores: os.availableParallelism(), kernel: os.release(), node: process.version };
  const text = JSON.stringify({ machine, rounds, seconds, clients, entries, outcomes }, null, 2);
  await writeFile(values.json, `${text}\n`);
}

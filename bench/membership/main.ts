/**
 * Membership beside Debian's serf: real agents on hosts of their own (network namespaces), the same faults, one fleet
 * after the other in the same minutes.
 *
 *   npm run bench:membership -- [EXPERIMENT,…|all] [--hosts N] [--rounds N] [--seconds N] [--lane streams|udp] [--only muster|serf] [--json FILE]
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { seededRandom } from "../../src/base/random.ts";
import { run } from "../../test/support/lab/command.ts";
import { LabNetwork } from "../../test/support/lab/network.ts";
import { removeOrphans } from "../../test/support/lab/owner.ts";
import { whyNoLab } from "../../test/support/lab/requirements.ts";
import { bundle } from "../../tools/bundle.ts";
import {
  bootstrap,
  converged,
  deafened,
  type Experiment,
  flapping,
  hostLost,
  idle,
  killed,
  leave,
  loss,
  type Measure,
  partition,
  pausedAgent,
  pauses,
} from "./experiments.ts";
import { type Fleet } from "./fleet.ts";
import { SerfFleet } from "./serf-fleet.ts";

const experiments: Readonly<Record<string, Experiment>> = {
  killed,
  "host-lost": hostLost,
  leave,
  "loss-5": loss(5),
  "loss-25": loss(25),
  "pause-5": pausedAgent(5000),
  "pause-25": pausedAgent(25_000),
  pauses,
  deafened,
  flapping,
  partition,
  idle,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    hosts: { type: "string", default: "20" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "60" },
    lane: { type: "string", default: "streams" },
    only: { type: "string" },
    seed: { type: "string", default: "1" },
    json: { type: "string" },
  },
});

interface Row {
  readonly experiment: string;
  readonly measure: string;
  readonly unit: string;
  readonly kind: Fleet["kind"];
  readonly values: readonly (number | null)[];
}

function chosen(): readonly string[] {
  const names = positionals.flatMap((text) => text.split(","));
  if (names.length === 0 || names.includes("all")) return Object.keys(experiments);
  const unknown = names.filter((name) => experiments[name] === undefined);
  if (unknown.length > 0)
    throw new Error(
      `No experiment ${unknown.join(", ")}; there are ${Object.keys(experiments).join(", ")}`,
    );
  return names;
}

async function measure(kind: Fleet["kind"], names: readonly string[]): Promise<readonly Row[]> {
  const hosts = Array.from({ length: Number(values.hosts) }, (_, i) => `h${i + 1}`);
  await using network = await LabNetwork.create(hosts);
  await network.introduce();
  await using fleet = await createFleet(kind, network);
  const settings = {
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
    random: seededRandom(Number(values.seed)),
  };
  const rows: Row[] = [];
  const add = (experiment: string, measures: readonly Measure[]): void => {
    for (const { name, unit, values: found } of measures) {
      rows.push({ experiment, measure: name, unit, kind, values: found });
      process.stderr.write(
        `${kind} ${experiment}: ${name} ${found.map(shown).join(" ")} ${unit}\n`,
      );
    }
  };
  add("bootstrap", await bootstrap(fleet, settings));
  for (const name of names) {
    const experiment = experiments[name];
    if (experiment === undefined) continue;
    try {
      add(name, await experiment(fleet, settings));
    } catch (error) {
      process.stderr.write(`${kind} ${name}: ${String(error)}\n`);
      await network.cut([]);
      await network.lose(0, []);
      await converged(fleet);
    }
  }
  return rows;
}

async function createFleet(kind: Fleet["kind"], network: LabNetwork): Promise<Fleet> {
  if (kind === "serf") return SerfFleet.create(network);
  // Only now, as the agents' program is chosen when the module is loaded.
  const { MusterFleet } = await import("./muster-fleet.ts");
  return MusterFleet.create(network, values.lane === "udp" ? ["--gossip-udp"] : []);
}

function median(numbers: readonly (number | null)[]): number | null {
  const found = numbers.filter((value) => value !== null).toSorted((a, b) => a - b);
  return found[Math.floor((found.length - 1) / 2)] ?? null;
}

function shown(value: number | null): string {
  if (value === null) return "never";
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(2);
}

function print(rows: readonly Row[]): void {
  process.stdout.write(
    `${values.hosts} hosts, lane ${values.lane}, load ${loadavg()[0]?.toFixed(1)}\n\n`,
  );
  process.stdout.write(
    "| experiment | measure | muster median (min–max) | serf median (min–max) | ratio |\n|---|---|---|---|---|\n",
  );
  const keys = new Map(rows.map((row) => [`${row.experiment} ${row.measure}`, row]));
  for (const { experiment, measure: name, unit } of keys.values()) {
    const of = (kind: Fleet["kind"]): readonly (number | null)[] =>
      rows.find((row) => row.experiment === experiment && row.measure === name && row.kind === kind)
        ?.values ?? [];
    const [ours, theirs] = [median(of("muster")), median(of("serf"))];
    const ratio =
      ours === null || theirs === null || theirs === 0 ? "" : (ours / theirs).toFixed(2);
    process.stdout.write(
      `| ${experiment} | ${name}, ${unit} | ${spread(of("muster"))} | ${spread(of("serf"))} | ${ratio} |\n`,
    );
  }
}

function spread(numbers: readonly (number | null)[]): string {
  if (numbers.length === 0) return "–";
  const sorted = numbers.filter((value) => value !== null).toSorted((a, b) => a - b);
  const range =
    numbers.length > 1 ? ` (${shown(sorted[0] ?? null)}–${shown(sorted.at(-1) ?? null)})` : "";
  const missing = numbers.length - sorted.length;
  return `${shown(median(numbers))}${range}${missing > 0 ? `, ${missing} never` : ""}`;
}

const names = chosen();
const reason = await whyNoLab();
if (reason !== null) throw new Error(`The membership bench cannot run here: ${reason}`);
const hasSerf = await run("sh", ["-c", "command -v serf"]).then(Boolean, () => false);
if (!hasSerf && values.only !== "muster")
  throw new Error("serf is missing: apt-get install serf, or --only muster");
await removeOrphans();
const program = await mkdtemp(path.join(tmpdir(), "muster-bundle-"));
try {
  await bundle(program);
  process.env["MUSTER_TEST_BIN"] = path.join(program, "muster");
  const kinds = (["muster", "serf"] as const).filter(
    (kind) => values.only === undefined || values.only === kind,
  );
  const rows: Row[] = [];
  for (const kind of kinds) rows.push(...(await measure(kind, names)));
  print(rows);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(rows, null, 2)}\n`);
} finally {
  await rm(program, { recursive: true, force: true });
}

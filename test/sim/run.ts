/** Runs simulations from the command line: see `usage`. */
import { execFileSync } from "node:child_process";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { help, misused, understood, whole } from "../support/tool-options.ts";
import { onMacrotask } from "./drain.ts";
import { isProfileName, type ProfileName, profileNames } from "./profiles.ts";
import { type RunOptions, type RunResult, run } from "./scenario.ts";
import { shrink } from "./shrink.ts";

const usage = `usage: npm run sim -- --seed N [--profile NAME] [--ms N] [--lines N] [--shrink]
       npm run sim -- --from A --to B [--profile NAME] [--ms N] [--lines N] [--state FILE]

The first replays one run and prints its end when something is wrong; the second searches, and exits with 1 when it
found something.

  --profile  ${profileNames.join(", ")}
             (default: seeds take turns through all of them)
  --ms       virtual milliseconds of chaos
  --lines    so many of the last events are printed (default 200)
  --shrink   find out which faults, and how many events, the failure takes
  --state    what was done is written to FILE after each run, and a search goes on from there
`;

const { values } = understood(usage, () =>
  parseArgs({
    options: {
      seed: { type: "string" },
      from: { type: "string", default: "1" },
      to: { type: "string" },
      profile: { type: "string" },
      ms: { type: "string" },
      lines: { type: "string", default: "200" },
      state: { type: "string" },
      shrink: { type: "boolean", default: false },
      help,
    },
  }),
);

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function optionsOf(seed: number): RunOptions & { readonly name: ProfileName } {
  const { profile, ms, lines } = values;
  if (profile !== undefined && !isProfileName(profile)) {
    misused(usage, `There is no profile "${profile}": take one of ${profileNames.join(", ")}`);
  }
  const turn = profileNames[seed % profileNames.length] ?? "safety";
  const chaos = ms === undefined ? {} : { chaosMs: whole("ms", ms) };
  return { seed, name: profile ?? turn, traceLines: whole("lines", lines, 1), ...chaos };
}

const play = (options: RunOptions): Promise<RunResult> => onMacrotask(() => run(options));

function commit(): string {
  try {
    const args = ["rev-parse", "--short", "HEAD"];
    // Outside of a repository git would complain.
    return execFileSync("git", args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown";
  }
}

function report({ seed, name }: RunOptions, { violation, trace }: RunResult): void {
  print(trace);
  print(`seed ${seed}, profile ${name ?? "safety"}, commit ${commit()}: ${violation ?? ""}`);
  const ms = values.ms === undefined ? "" : ` --ms ${values.ms}`;
  print(`replay: npm run sim -- --seed ${seed} --profile ${name ?? "safety"}${ms}`);
}

/** What a long search has done; written after every run, so that it can be stopped at any time. */
interface Progress {
  next: number;
  runs: number;
  virtualMs: number;
  events: number;
  unjudged: number;
  failures: { readonly seed: number; readonly profile: string; readonly violation: string }[];
}

function load(file: string | undefined, from: number): Progress {
  const none = { next: from, runs: 0, virtualMs: 0, events: 0, unjudged: 0, failures: [] };
  if (file === undefined) return none;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Progress;
  } catch {
    return none;
  }
}

function save(file: string | undefined, progress: Progress): void {
  if (file === undefined) return;
  writeFileSync(`${file}.new`, `${JSON.stringify(progress, null, 1)}\n`);
  renameSync(`${file}.new`, file);
}

async function search(from: number, to: number): Promise<void> {
  const progress = load(values.state, from);
  const begun = performance.now();
  const before = progress.virtualMs;
  for (; progress.next <= to; progress.next += 1) {
    const options = optionsOf(progress.next);
    const result = await play(options);
    progress.runs += 1;
    progress.virtualMs += result.virtualMs;
    progress.events += result.events;
    if (!result.judged && result.violation === null) progress.unjudged += 1;
    if (result.violation !== null) {
      report(options, result);
      const { violation } = result;
      progress.failures.push({ seed: progress.next, profile: options.name, violation });
    }
    save(values.state, { ...progress, next: progress.next + 1 });
  }
  const seconds = (performance.now() - begun) / 1000;
  const speed = (progress.virtualMs - before) / 1000 / seconds;
  const { runs, events, failures, unjudged } = progress;
  print(
    `${runs} runs, ${events} events, ${failures.length} failures, ${unjudged} not judged; ${speed.toFixed(0)} × real time`,
  );
  process.exitCode = failures.length === 0 ? 0 : 1;
}

async function replay(seed: number): Promise<void> {
  const options = optionsOf(seed);
  const result = await play(options);
  if (result.violation === null) {
    print(JSON.stringify(result.profile, null, 1));
    const { forced, adopted, reset } = result.generations;
    print(
      `seed ${seed}, profile ${options.name}: ok, ${result.commit} entries, ` +
        `generations: ${forced} begun, ${adopted} followed, ${reset} given up, hash ${result.hash}`,
    );
    return;
  }
  report(options, result);
  if (values.shrink) for await (const line of shrink(options, result, play)) print(line);
  process.exitCode = 1;
}

const { from, to = from, seed: only } = values;
const [first, last, seed] = bounds();
if (only === undefined) await search(first, last);
else await replay(seed);

/** Also of the other numbers: nothing is begun with what is not understood. */
function bounds(): readonly [first: number, last: number, seed: number] {
  try {
    optionsOf(0);
    return [whole("from", from), whole("to", to), whole("seed", only ?? "0")];
  } catch (error) {
    return misused(usage, (error as Error).message);
  }
}

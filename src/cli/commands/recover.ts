/** `muster operator recover`: the operator's way out when most voters are gone. It shows first, and acts on a word. */
import { type Command } from "commander";
import { type GenerationAnswer, type PlanAnswer } from "../../api/contract/lineage.ts";
import { type OutputFlags, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { printSingle } from "../render/output.ts";
import { renderFields } from "../render/table.ts";
import { usage } from "../usage.ts";

interface RecoverFlags extends OutputFlags {
  readonly plan?: boolean;
  readonly confirm?: string;
}

export function addRecoverCommand(operator: Command, context: CliContext): void {
  withOutput(operator.command("recover"))
    .description("go on without the voters that are gone (what only they had may be missing)")
    .option("--plan", "show what would be done, and change nothing")
    .option("--confirm <HASH>", "do exactly what the plan with this hash says")
    .action(async (flags: RecoverFlags) => {
      if ((flags.plan === true) === (flags.confirm !== undefined)) {
        throw usage("Say --plan first, then --confirm with the hash that it shows");
      }
      const body =
        flags.confirm === undefined ? { plan: true as const } : { confirm: flags.confirm };
      const { value } = await connect(context).call("recover", { body });
      const { plan, generation } = value;
      const name = plan?.hash ?? generation?.id ?? "-";
      const lines = (): string =>
        plan === null ? (generation === null ? "-" : doneLines(generation)) : planLines(plan);
      await printSingle(context, { value: plan ?? generation, name, lines }, flags.output);
    });
}

type Peer = PlanAnswer["best"];
const nameOf = ({ id, name }: Peer): string => name ?? id;

const provenText = "writes go on as usual: all that are lost are certainly gone";
const provisionalText =
  "writes go on, marked survivor; who comes back is merged: muster operator conflicts";

function planLines(plan: PlanAnswer): string {
  const { survivors, lost, best, parent, hash } = plan;
  const isProven = plan.kind === "forced-proof";
  const fields = renderFields([
    ["now", plan.why],
    ["survivors", survivors.map(nameOf).join(", ")],
    ["best log", `${nameOf(best)}: it will lead`],
    ["lost", lost.map(lostText).join("\n") || "nobody"],
    ["missing", missingText(plan)],
    ["will do", `generation ${parent.n + 1} with the survivors as voters; the lost stop counting`],
    ["then", isProven ? provenText : provisionalText],
  ]);
  const isSafe = plan.majorityOfAll || isProven;
  const warning = isSafe
    ? []
    : ["", "The lost are the majority: if they are alive elsewhere, both sides will take writes."];
  return [fields, ...warning, "", `do it: muster operator recover --confirm ${hash}`].join("\n");
}

function lostText(one: PlanAnswer["lost"][number]): string {
  const since = one.silentMs === null ? "never heard" : `silent for ${seconds(one.silentMs)}`;
  return `${nameOf(one)}: ${one.proof === null ? since : `${since}, certainly gone (${one.proof})`}`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

function missingText({ missingAtMost, outlived }: PlanAnswer): string {
  const bound =
    missingAtMost === null
      ? "not known: nobody here heard how far the leader was"
      : missingAtMost === 0
        ? "nothing that was acknowledged, as far as the survivors heard"
        : `at most ${missingAtMost} acknowledged entries`;
  return outlived ? bound : `${bound}; no survivor saw the others disappear`;
}

function doneLines({ n, id, members }: GenerationAnswer): string {
  return `generation ${n} (${id.slice(0, 8)}) began with ${members.map(nameOf).join(", ")}; look: muster status`;
}

/** `muster operator keys` and `rotate-keys`: the keys of gossip's datagrams. */
import { type Command } from "commander";
import { type ApiClient } from "../../api/client.ts";
import { type Keys } from "../../api/contract/keys.ts";
import { delay, systemClock } from "../../base/clock.ts";
import { isAgentError } from "../../base/errors.ts";
import { type OutputFlags, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { exitCodes } from "../exit-codes.ts";
import { printSingle } from "../render/output.ts";
import { renderFields } from "../render/table.ts";
import { list } from "../render/values.ts";
import { transient } from "../transient.ts";
import { type WatchFlags, watchSingle, withWatch } from "../watch.ts";

const pollMs = 500;
const waitMs = 120_000;

export function addKeyCommands(operator: Command, context: CliContext): void {
  withWatch(withOutput(operator.command("keys")))
    .description("keys of gossip's datagrams: which is in use, and how far a rotation is")
    .action(async (flags: WatchFlags) => {
      const client = connect(context);
      await watchSingle(context, flags, async () => {
        const keys = (await client.call("getKeys", {})).value;
        return { value: keys, name: String(keys.sealing), lines: () => keyLines(keys) };
      });
    });
  withOutput(operator.command("rotate-keys"))
    .description("give gossip's datagrams a new key, and take the old one away")
    .option("--no-wait", "do not wait until every member uses it")
    .action(async ({ output, wait }: OutputFlags & { readonly wait: boolean }) => {
      const client = connect(context);
      const begun = (await client.call("rotateKeys", {})).value;
      const keys = wait ? await follow(context, client, begun) : begun;
      const lines = (): string => keyLines(keys);
      await printSingle(context, { value: keys, name: String(keys.epoch), lines }, output);
      if (wait && keys.rotation !== null) context.setExitCode(exitCodes.gaveUp);
    });
}

/** Until the rotation is over, for two minutes at most; it goes on without anybody who watches. */
async function follow(context: CliContext, client: ApiClient, begun: Keys): Promise<Keys> {
  const { interrupted } = context;
  const end = systemClock.monotonicMs() + waitMs;
  let keys = begun;
  let said = "";
  while (keys.rotation !== null && !interrupted.aborted && systemClock.monotonicMs() < end) {
    const text = progressOf(keys);
    if (text !== said) context.tell(text);
    said = text;
    await delay(systemClock, pollMs, interrupted).catch(() => undefined);
    try {
      keys = (await client.call("getKeys", {}, { signal: interrupted })).value;
    } catch (error) {
      if (!interrupted.aborted && !isAgentError(error, ...transient)) throw error;
    }
  }
  return keys;
}

function progressOf({ rotation, members, ready, waitingFor }: Keys): string {
  if (rotation === null) return "no rotation is under way";
  const done = rotation.step === "install" ? "have" : "use";
  const who = waitingFor.length === 0 ? "" : `; waiting for ${list(waitingFor)}`;
  return `${ready} of ${members} members ${done} key ${rotation.key}${who}`;
}

function keyLines(keys: Keys): string {
  if (keys.epoch === 0) return "no agent takes datagrams, so there are no keys";
  return renderFields([
    ["key", `${keys.sealing} seals, ${keys.epoch} is the newest`],
    ["rotation", progressOf(keys)],
    ["members", `${keys.members} take datagrams`],
    ["rotated", keys.rotatedAt ?? "never"],
  ]);
}

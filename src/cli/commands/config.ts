/** `muster config`: the config repository, and the revision in force. */
import path from "node:path";
import { type Command } from "commander";
import { type Config } from "../../api/contract/config.ts";
import { type OutputFlags, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { exitCodes } from "../exit-codes.ts";
import { printSingle, type Single } from "../render/output.ts";
import { renderFields } from "../render/table.ts";
import { list, short } from "../render/values.ts";
import { usage } from "../usage.ts";
import { type WatchFlags, watchSingle, withWatch } from "../watch.ts";

export function addConfigCommands(program: Command, context: CliContext): void {
  const config = program.command("config").description("the config repository");
  withWatch(withOutput(config.command("show", { isDefault: true })))
    .description("source, revision in force, roles, last error")
    .action(async (flags: WatchFlags) => {
      const client = connect(context);
      await watchSingle(context, flags, async () => {
        return configSingle((await client.call("getConfig", {})).value);
      });
    });
  withOutput(config.command("set-repo"))
    .description("use another repository, and fetch it")
    .argument("<URL[#REF]>", "git URL or directory, with a branch, tag or commit")
    .action(async (text: string, flags: OutputFlags) => {
      const body = parseSource(text);
      await connect(context).call("putConfigSource", { body });
      await refresh(context, flags);
    });
  withOutput(config.command("refresh"))
    .description("fetch the repository now")
    .action((flags: OutputFlags) => refresh(context, flags));
}

/** A folder is named from where the operator stands; the agents stand elsewhere. */
function parseSource(text: string): { readonly url: string; readonly ref?: string } {
  const hash = text.lastIndexOf("#");
  const url = hash < 0 ? text : text.slice(0, hash);
  const ref = hash < 0 ? null : text.slice(hash + 1);
  if (url === "" || ref === "") throw usage(`Cannot use "${text}": expected URL, or URL#REF`);
  const isRemote = /^[a-z][a-z0-9+.-]*:\/\/|^[^/]+@[^/]+:/i.test(url);
  return { url: isRemote ? url : path.resolve(url), ...(ref === null ? {} : { ref }) };
}

const refreshTimeoutMs = 120_000;

async function refresh(context: CliContext, { output }: OutputFlags): Promise<void> {
  const options = { timeoutMs: refreshTimeoutMs };
  const config = (await connect(context).call("refreshConfig", {}, options)).value;
  await printSingle(context, configSingle(config), output);
  if (config.refreshing) {
    context.tell("Not fetched yet. Look: muster config show -w");
    context.setExitCode(exitCodes.gaveUp);
  } else if (config.lastError !== null) {
    const still = config.revision === null ? "No revision is" : "The last good revision stays";
    context.tell(`The fetch failed. ${still} in force`);
    context.setExitCode(exitCodes.failed);
  }
}

function configSingle(config: Config): Single {
  const { source, revision, lastError } = config;
  const ref = source?.ref ?? null;
  const lines = (): string =>
    renderFields([
      ["source", source === null ? "none" : `${source.url}${ref === null ? "" : `#${ref}`}`],
      ["revision", short(revision?.commit ?? null)],
      ["fetched", revision?.fetchedAt ?? "-"],
      ["roles", list(config.roles)],
      ["fetching", config.refreshing ? "yes" : "no"],
      ["last error", lastError === null ? "none" : `${lastError.code}: ${lastError.message}`],
    ]);
  return { value: config, name: revision?.commit ?? "-", lines };
}

/** `muster settings`: behaviour of the manager itself. */
import { type Command } from "commander";
import { AgentError } from "../../base/errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";
import { type OutputFlags, parseLoose, readMapping, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { printSingle, type Single } from "../render/output.ts";
import { plain } from "../render/values.ts";
import { usage } from "../usage.ts";

type Settings = Readonly<Record<string, Json>>;

export function addSettingCommands(program: Command, context: CliContext): void {
  const settings = program.command("settings").description("behaviour of the manager itself");
  withOutput(settings.command("get", { isDefault: true }))
    .description("all settings, or one")
    .argument("[KEY]", "repair, autoCommission, autoCommission.selector …")
    .action(async (key: string | undefined, { output }: OutputFlags) => {
      const { value } = await connect(context).call("getSettings", {});
      const single = key === undefined ? allOf(value) : oneOf(value.settings, key);
      await printSingle(context, single, output);
    });
  withOutput(settings.command("set"))
    .description("change settings; in force at once")
    .argument(
      "[KEY=VALUE...]",
      "repair=auto, survivor.silence=1m, autoCommission.selector=rack=r1, autoCommission=null",
    )
    .option("--file <FILE>", "a merge patch of the settings (YAML or JSON; - for stdin)")
    .action(async (texts: string[], flags: OutputFlags & { readonly file?: string }) => {
      const fromFile = flags.file === undefined ? {} : await readMapping(flags.file);
      const body = { ...fromFile, ...nested(texts) };
      if (Object.keys(body).length === 0) throw usage("Say what to set: KEY=VALUE, or --file FILE");
      const { value } = await connect(context).call("patchSettings", { body });
      await printSingle(context, allOf(value), flags.output);
    });
}

function allOf(value: { readonly settings: Settings }): Single {
  const lines = (): string =>
    Object.entries(value.settings)
      .map(([key, setting]) => `${key}=${plain(setting)}`)
      .join("\n");
  return { value, name: Object.keys(value.settings).join("\n"), lines };
}

function oneOf(settings: Settings, key: string): Single {
  let value: Json | undefined = settings;
  for (const part of key.split(".")) {
    value = isJsonObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  }
  if (value === undefined) {
    const known = Object.keys(settings).join(", ");
    throw new AgentError("NOT_FOUND", `There is no setting "${key}"; there are ${known}`);
  }
  const found = value;
  return { value: { key, value: found }, name: key, lines: () => plain(found) };
}

/** `a.b=c` as `{a: {b: c}}`; a value with commas in a key that ends in `roles` is a list. */
function nested(texts: readonly string[]): JsonObject {
  const patch = new Map<string, Json>();
  for (const text of texts) {
    const equals = text.indexOf("=");
    if (equals <= 0) throw usage(`Cannot read "${text}": expected KEY=VALUE`);
    const key = text.slice(0, equals);
    const [first = "", second, ...rest] = key.split(".");
    if (first === "" || second === "" || rest.length > 0) throw usage(`Unknown setting "${key}"`);
    const parsed = parseLoose(text.slice(equals + 1));
    if (second === undefined) patch.set(first, parsed);
    else {
      const before = patch.get(first);
      const value = second === "roles" ? listOf(parsed) : parsed;
      patch.set(first, { ...(isJsonObject(before) ? before : {}), [second]: value });
    }
  }
  return Object.fromEntries(patch);
}

function listOf(value: Json): Json {
  return typeof value === "string" ? value.split(",").map((item) => item.trim()) : value;
}

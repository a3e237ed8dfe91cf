/** `muster version`: of this program, and of the runtime it runs on. */
import process from "node:process";
import { type Command } from "commander";
import { version } from "../../base/version.ts";
import { type OutputFlags, withOutput } from "../arguments.ts";
import { type CliContext } from "../context.ts";
import { printSingle } from "../render/output.ts";

export function addVersionCommand(program: Command, context: CliContext): void {
  withOutput(program.command("version"))
    .description("version of this program (of the agents: muster status, muster members -o wide)")
    .action(async ({ output }: OutputFlags) => {
      const value = { version, node: process.versions.node };
      const lines = (): string =>
        output === "wide" ? `${version} (Node.js ${value.node})` : version;
      await printSingle(context, { value, name: version, lines }, output);
    });
}

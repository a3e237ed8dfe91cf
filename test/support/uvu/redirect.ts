/** Loaded before a test file (`--import`): its `uvu` is the one beside this file, which knows errors with details. */
import { registerHooks } from "node:module";

const own = new URL("suite.ts", import.meta.url).href;

registerHooks({
  resolve(specifier, context, nextResolve) {
    const isTest = context.parentURL?.endsWith(".test.ts") === true;
    return nextResolve(specifier === "uvu" && isTest ? own : specifier, context);
  },
});

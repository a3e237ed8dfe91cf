/**
 * uvu's suites, but that any error is reported. uvu takes `details` of an error for a text and throws on ours, and it
 * drops what a hook throws: the file ended with "3 / 5" and not a word of why, and its other tests did not run.
 */
import { inspect } from "node:util";
import { type Callback, type Context, suite as createSuite, type Test } from "uvu";

export function suite<T = Context>(title?: string, context?: T): Test<T> {
  const it = createSuite(title, context);
  const named =
    (register: Test<T>["only"]): Test<T>["only"] =>
    (name, test) =>
      register(name, readable(test));
  return Object.assign(named(it), {
    only: named(it.only),
    skip: it.skip,
    run: it.run,
    before: hook(it.before),
    after: hook(it.after),
  });
}

function hook<T>(register: Test<T>["before"]): Test<T>["before"] {
  return Object.assign((callback: Callback<T>): void => register(readable(callback, reportHook)), {
    each: (callback: Callback<T>): void => register.each(readable(callback, reportHook)),
  });
}

function readable<T>(
  callback: Callback<T>,
  report: (error: unknown) => void = () => undefined,
): Callback<T> {
  return async (context) => {
    try {
      await callback(context);
    } catch (error) {
      report(error);
      throw plain(error);
    }
  };
}

function reportHook(error: unknown): void {
  process.stderr.write(`\nA hook failed: ${inspect(error)}\n`);
}

/** Anything that uvu can print: an error whose details, if any, are a text. */
function plain(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(`Thrown: ${inspect(error)}`);
  if (!("details" in error) || typeof error.details === "string") return error;
  const replaced = new Error(`${error.message}\n${inspect(error.details)}`, { cause: error });
  replaced.name = error.name;
  if (error.stack !== undefined) replaced.stack = error.stack;
  return replaced;
}

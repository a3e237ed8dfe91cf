/**
 * Where the files lie that processes are started from: in the sources they run as they are, in a bundle they have
 * the same places and other endings.
 */
import path from "node:path";

/** Relative to `src`, or to the bundle's folder; without ending. */
export const programFiles = {
  cli: "cli/main",
  shim: "config-engine/shim/main",
  supervisor: "agent/supervisor/main",
} as const;

const ending = path.extname(import.meta.filename);
/** True in a bundle: this code is then part of one of its entry files. */
const bundled = ending !== ".ts";

/** Folder that holds the program files: `src` itself, or the bundle's. */
function programFolder(): string {
  if (!bundled) return path.join(import.meta.dirname, "..");
  const entry = Object.values(programFiles).find((file) =>
    import.meta.filename.endsWith(`${file}${ending}`),
  );
  return path.join(import.meta.dirname, "../".repeat((entry ?? "").split("/").length - 1));
}

/** A file that Node.js runs as a process of its own; the command line has a launcher. */
export function programFile(which: "shim" | "supervisor"): string {
  return path.join(programFolder(), `${programFiles[which]}${bundled ? ".mjs" : ".ts"}`);
}

/** The manifest beside the program: of the checkout, or of the bundle. */
export const manifestFile = path.join(programFolder(), bundled ? "." : "..", "package.json");

/** Version of this program: what `--version`, the API and gossip's tags say. */
import { readFileSync } from "node:fs";
import { manifestFile } from "./program-files.ts";

function read(): string {
  const manifest: unknown = JSON.parse(readFileSync(manifestFile, "utf8"));
  if (typeof manifest !== "object" || manifest === null || !("version" in manifest)) return "0.0.0";
  return String(manifest.version);
}

export const version = read();

/** Version of this program: what `--version`, the API and gossip's tags say. */
import { readFileSync } from "node:fs";
import path from "node:path";

function read(): string {
  const file = path.join(import.meta.dirname, "../../package.json");
  const manifest: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (typeof manifest !== "object" || manifest === null || !("version" in manifest)) return "0.0.0";
  return String(manifest.version);
}

export const version = read();

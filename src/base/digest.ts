/** SHA-256 of a text: where a name must follow from content and be the same on every agent. */
import { hash } from "node:crypto";

/** 64 hexadecimal digits. */
export function sha256Hex(text: string): string {
  return hash("sha256", text, "hex");
}

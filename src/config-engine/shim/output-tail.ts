/** Keeps the last lines of the output as plain text: what a result quotes to say what failed or drifted. */
import { StringDecoder } from "node:string_decoder";

const keptBytes = 16 * 1024;
const tailCharacters = 3500;
const tailLines = 20;

export class OutputTail {
  #bytes: Buffer = Buffer.alloc(0);

  push(bytes: Uint8Array): void {
    if (bytes.length >= keptBytes) {
      this.#bytes = Buffer.from(bytes.subarray(bytes.length - keptBytes));
      return;
    }
    const all = Buffer.concat([this.#bytes, bytes]);
    this.#bytes = all.length > keptBytes * 2 ? Buffer.from(all.subarray(-keptBytes)) : all;
  }

  text(): string {
    const lines = plainText(new StringDecoder("utf8").write(this.#bytes))
      .split("\n")
      .map((line) => line.trimEnd())
      .filter((line) => line !== "");
    return lines.slice(-tailLines).join("\n").slice(-tailCharacters);
  }
}

/** Text without terminal codes; of a line that was written over by `\r`, what stands last. */
function plainText(text: string): string {
  return text
    .replace(/\u001b\][^\u0007\u001b]*(\u0007|\u001b\\)/g, "")
    .replace(/\u001b\[[0-?]*[ -/]*[@-~]/g, "")
    .replace(/\r+\n/g, "\n")
    .replace(/[^\n]*\r/g, "")
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "");
}

// `node keep-compiled.cjs BUNDLE VERB…` runs the program of a bundle, and leaves there what V8 has made of it by the
// end, as start.cjs reads it.
const { readFileSync, renameSync, writeFileSync } = require("node:fs");
const path = require("node:path");
const process = require("node:process");
const { crc32 } = require("node:zlib");

const [bundle] = process.argv.splice(2, 1);
const script = require(path.join(bundle, "start.cjs"));
process.on("exit", () => {
  const file = path.join(bundle, "cli/main.compiled");
  const code = script.createCachedData();
  const sums = Buffer.alloc(8);
  sums.writeUInt32LE(crc32(readFileSync(path.join(bundle, "cli/main.cjs"))), 0);
  sums.writeUInt32LE(crc32(code), 4);
  writeFileSync(`${file}.new`, Buffer.concat([sums, code]));
  renameSync(`${file}.new`, file);
});

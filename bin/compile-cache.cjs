// Keeps what V8 made of the program's modules from one start to the next, in a folder beside this file: a start then
// needs half the time. Both may be moved together. Where the folder cannot be written, or does not fit this Node.js, all
// goes on without it.
const { enableCompileCache } = require("node:module");
const path = require("node:path");

enableCompileCache({ directory: path.join(__dirname, "compile-cache"), portable: true });

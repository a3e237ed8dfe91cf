/**
 * A config repository whose one role does what its variables say: writes a file, waits for a release, fails,
 * prints a lot. Every start of an action leaves a line in `root`/runs.log, so that a test can count them.
 */
import path from "node:path";
import { gitRepository } from "./agents.ts";

const manifest = `apiVersion: muster/v1
vars:
  root: /nonexistent
  value: one
roles:
  app:
    runner: script
    configure: app/configure
    verify: app/verify
    cleanup: app/cleanup
    timeout: 2m
    secrets: [password]
  extra:
    requires: [app]
    runner: script
    configure: extra/configure
    cleanup: extra/cleanup
`;

const prelude = `#!/usr/bin/env -S python3 -B
import json, os, pathlib, sys, time
v = json.load(open(os.environ["MUSTER_VARS"]))
node, action = os.environ["MUSTER_NODE"], os.environ["MUSTER_ACTION"]
role, job = os.environ["MUSTER_ROLE"], os.environ["MUSTER_JOB"]
root = pathlib.Path(v["root"])
conf = root / node / (role + ".conf")
root.mkdir(parents=True, exist_ok=True)
with open(root / "runs.log", "a") as log:
    log.write(f"{job} {node} {role} {action}\\n")
def out(text):
    print(text, flush=True)
`;

const configure = `${prelude}
if v.get("print_secret"):
    out("the password is " + v["password"])
if "lines" in v:
    for i in range(v["lines"]):
        sys.stdout.write(f"line {i}\\n")
    sys.stdout.flush()
if "big" in v:
    out("x" * v["big"])
if v.get("hold"):
    out("held")
    n = 0
    while not (root / "release").exists():
        time.sleep(0.05)
        n += 1
        if n % 4 == 0:
            out(f"tick {n}")
    out("released")
if node in v.get("fail_configure", []):
    out("this was meant to fail")
    sys.exit(3)
conf.parent.mkdir(parents=True, exist_ok=True)
conf.write_text(v["value"])
out(f"configured {v['value']}")
`;

const verify = `${prelude}
if not conf.exists():
    out("app.conf is missing")
    sys.exit(2)
if conf.read_text() != v["value"]:
    out(f"app.conf says {conf.read_text()}, not {v['value']}")
    sys.exit(2)
`;

const cleanup = `${prelude}
if node in v.get("fail_cleanup", []):
    out("cleanup was meant to fail")
    sys.exit(4)
conf.unlink(missing_ok=True)
out("cleaned")
`;

export const appFiles: Readonly<Record<string, string>> = {
  "muster.yaml": manifest,
  "app/configure": configure,
  "app/verify": verify,
  "app/cleanup": cleanup,
  "extra/configure": configure,
  "extra/cleanup": cleanup,
};

/** A git repository with the role, below `folder`. */
export function appRepository(folder: string): Promise<string> {
  return gitRepository(path.join(folder, "repository"), appFiles);
}

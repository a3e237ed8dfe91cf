/** Where an agent is reached: its unix socket (the file's permission is the authentication), or a URL with a token. */
import { AgentError } from "../../base/errors.ts";

export type Target =
  | { readonly kind: "socket"; readonly path: string }
  | {
      readonly kind: "url";
      readonly url: URL;
      readonly token: string | null;
      /** PEM of the authority to trust besides the system's. */
      readonly ca: string | null;
    };

export interface UrlAccess {
  readonly token?: string;
  readonly ca?: string;
}

/** Reads `unix:PATH`, an absolute path, `http://…`, `https://…` or `HOST:PORT` (which means https). */
export function parseTarget(text: string, access: UrlAccess = {}): Target {
  if (text.startsWith("unix:")) return { kind: "socket", path: text.slice("unix:".length) };
  if (text.startsWith("/")) return { kind: "socket", path: text };
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `https://${text}`);
  if (url === null || url.hostname === "") {
    throw new AgentError(
      "INVALID_ADDRESS",
      `"${text}" is no address of an agent; give unix:PATH, https://HOST:PORT or HOST:PORT`,
    );
  }
  return { kind: "url", url, token: access.token ?? null, ca: access.ca ?? null };
}

export function targetText(target: Target): string {
  return target.kind === "socket" ? `unix:${target.path}` : target.url.origin;
}

// Serves the page as a static Space does: with the app's client ID, scopes and
// provider in window.huggingface. The secret stays out of it.
import { build } from "esbuild";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";

const { OAUTH_CLIENT_ID, OAUTH_SCOPES, OPENID_PROVIDER_URL, PORT = "3000" } = process.env;
const variables = JSON.stringify({ OAUTH_CLIENT_ID, OAUTH_SCOPES, OPENID_PROVIDER_URL }).replaceAll("<", "\\u003c");

const file = (name) => new URL(name, import.meta.url).pathname;
const bundle = await build({
  entryPoints: [file("app.js")],
  alias: { "@huggingface/hub": file("node_modules/@huggingface/hub/dist/browser/index.mjs") },
  bundle: true,
  format: "esm",
  write: false,
});
const page = (await readFile(file("index.html"), "utf8"))
  .replace("<script", `<script>window.huggingface = { variables: ${variables} };</script>\n<script`);

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/") {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page);
  } else if (pathname === "/app.js") {
    response.writeHead(200, { "content-type": "text/javascript" }).end(bundle.outputFiles[0].contents);
  } else {
    response.writeHead(404).end();
  }
}).listen(PORT, "localhost", () => console.log(`http://localhost:${server.address().port}`));

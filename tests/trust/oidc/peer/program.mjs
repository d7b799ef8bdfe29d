// A program in the control room that signs people in with openid-client (certified by the OpenID
// Foundation), as Grafana does: a page that is for nobody else, refresh, and signing out.
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [packages, port, issuer, clientId, secret] = process.argv.slice(2);
const require = createRequire(packages + "/");
const oidc = await import(pathToFileURL(require.resolve("openid-client")));
const here = `http://[::1]:${port}`;
const config = await oidc.discovery(new URL(issuer), clientId, secret, oidc.ClientSecretBasic(secret), {
  execute: [oidc.allowInsecureRequests],
});
let way, tokens;

const pages = {
  async "/"() {
    way = { pkceCodeVerifier: oidc.randomPKCECodeVerifier(), expectedNonce: oidc.randomNonce(), expectedState: oidc.randomState() };
    const challenge = await oidc.calculatePKCECodeChallenge(way.pkceCodeVerifier);
    return oidc.buildAuthorizationUrl(config, {
      redirect_uri: `${here}/back`, scope: "openid profile roles offline_access", state: way.expectedState,
      nonce: way.expectedNonce, code_challenge: challenge, code_challenge_method: "S256",
    });
  },
  async "/back"(url) {
    tokens = await oidc.authorizationCodeGrant(config, url, way);
    return JSON.stringify(await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub));
  },
  async "/again"() {
    tokens = await oidc.refreshTokenGrant(config, tokens.refresh_token);
    return "still";
  },
  async "/user"() {
    return JSON.stringify(await oidc.fetchUserInfo(config, tokens.access_token, oidc.skipSubjectCheck));
  },
  async "/leave"() {
    return oidc.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: `${here}/bye` });
  },
  async "/leave-asking"() {
    return oidc.buildEndSessionUrl(config, { client_id: clientId, post_logout_redirect_uri: `${here}/bye` });
  },
  async "/bye"() {
    return "bye";
  },
};
createServer(async (request, answer) => {
  const url = new URL(request.url, here);
  try {
    const told = await (pages[url.pathname] ?? (async () => "nothing"))(url);
    if (told instanceof URL) answer.writeHead(302, { location: told.href }).end();
    else answer.writeHead(200, { "content-type": "text/html" }).end(`<pre id="told">${told}</pre>`);
  } catch (error) {
    answer.writeHead(200, { "content-type": "text/html" }).end(`<pre id="told">refused: ${error.error ?? error.cause?.error ?? error.code ?? error}</pre>`);
  }
}).listen(Number(port), "::1", () => console.log("ready"));

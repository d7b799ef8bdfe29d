// An independent OpenID provider (oidc-provider, certified by the OpenID Foundation) on the IPv6
// loopback, with one account and its own development sign-in form.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, port, clientId, secret, redirect, otherId, otherRedirect] = process.argv.slice(2);
const require = createRequire(packages + "/");
const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));

const issuer = `http://[::1]:${port}`;
const provider = new Provider(issuer, {
  clients: [
    { client_id: clientId, client_secret: secret, redirect_uris: [redirect] },
    ...(otherId ? [{ client_id: otherId, client_secret: secret, redirect_uris: [otherRedirect] }] : []),
  ],
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id + "@firm", groups: ["night-shift", "press"] }),
  }),
  pkce: { required: () => true },
});
provider.listen(Number(port), "::1", () => console.log("ready"));

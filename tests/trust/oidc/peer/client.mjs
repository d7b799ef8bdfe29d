// An independent OpenID Connect client (openid-client, certified by the OpenID Foundation) signs
// somebody in at our provider: discovery, code + PKCE, user info, refresh, revocation, sign-out.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, issuer, clientId, secret, redirect, cookie] = process.argv.slice(2);
const require = createRequire(packages + "/");
const oidc = await import(pathToFileURL(require.resolve("openid-client")));

const auth = secret ? oidc.ClientSecretBasic(secret) : oidc.None();
const config = await oidc.discovery(new URL(issuer), clientId, secret || undefined, auth, {
  execute: [oidc.allowInsecureRequests],
});
const verifier = oidc.randomPKCECodeVerifier();
const nonce = oidc.randomNonce();
const state = oidc.randomState();
const asked = oidc.buildAuthorizationUrl(config, {
  redirect_uri: redirect,
  scope: "openid profile roles offline_access",
  code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
  state,
  nonce,
});
const stranger = await fetch(asked, { redirect: "manual" });
const answer = await fetch(asked, { redirect: "manual", headers: { cookie } });
const back = new URL(answer.headers.get("location"));
const tokens = await oidc.authorizationCodeGrant(config, back, {
  pkceCodeVerifier: verifier,
  expectedNonce: nonce,
  expectedState: state,
});
const claims = tokens.claims();
const user = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token);

async function refusal(what) {
  try {
    await what();
    return "accepted";
  } catch (error) {
    return error.error ?? error.cause?.error ?? error.code ?? String(error);
  }
}

const replayedCode = await refusal(() =>
  oidc.authorizationCodeGrant(config, back, {
    pkceCodeVerifier: verifier,
    expectedNonce: nonce,
    expectedState: state,
  }),
);
const afterReplay = await refusal(() => oidc.refreshTokenGrant(config, renewed.refresh_token));
console.log(
  JSON.stringify({
    stranger: stranger.headers.get("location"),
    claims,
    user,
    renewed: Boolean(renewed.access_token),
    rotated: renewed.refresh_token !== tokens.refresh_token,
    replayedCode,
    afterReplay,
    leave: oidc.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: redirect,
    }).href,
  }),
);

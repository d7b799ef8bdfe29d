/** Passkeys in the browser: options from the node into bytes, the answer back into JSON (WebAuthn Level 3, 5.1.8 and 5.1.9). */
import { t } from "./core.js";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const listed = (keys) => (keys ?? []).map((key) => ({ ...key, id: bytes(key.id) }));

/** Whether this page may use passkeys at all: a secure origin that has a name. */
export const able = () => Boolean(window.PublicKeyCredential) && !/^\[|^\d+\.\d+\.\d+\.\d+$/.test(location.hostname);

export async function make(options) {
  const asked = { ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) }, excludeCredentials: listed(options.excludeCredentials) };
  const made = await told(navigator.credentials.create({ publicKey: asked }));
  return answer(made, { attestationObject: text(made.response.attestationObject), transports: made.response.getTransports?.() ?? [] });
}

export async function use(options, more = {}) {
  const asked = { ...options, challenge: bytes(options.challenge), allowCredentials: listed(options.allowCredentials) };
  const used = await told(navigator.credentials.get({ publicKey: asked, ...more }));
  const { authenticatorData, signature, userHandle } = used.response;
  return answer(used, { authenticatorData: text(authenticatorData), signature: text(signature), userHandle: userHandle ? text(userHandle) : null });
}

function answer(credential, response) {
  return {
    id: credential.id, rawId: text(credential.rawId), type: credential.type, authenticatorAttachment: credential.authenticatorAttachment ?? null,
    response: { clientDataJSON: text(credential.response.clientDataJSON), ...response }, clientExtensionResults: credential.getClientExtensionResults(),
  };
}

async function told(promise) {
  try {
    return await promise;
  } catch (error) {
    const why = { NotAllowedError: "没有完成：取消了、超时了，或这台设备上没有可用的通行密钥 Not done: given up, timed out, or there is no passkey for this on the device", InvalidStateError: "这台设备上已有一把通行密钥 This device has a passkey for this account already" };
    throw new Error(t(why[error.name] ?? `浏览器不能使用通行密钥：${error.message} The browser cannot use passkeys: ${error.message}`));
  }
}

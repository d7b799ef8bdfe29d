"""Devices and nodes: who they are, who says so, and when it is no longer true.

Issues certificates, knows what became of each, and says why one is refused. Never sees a private
key of a device: only requests signed with it (RFC 2986) come here.

What other parts use:

- `service.DeviceTrust`: everything together, as a hub runs it; `own_pair(name)` is a key and a
  certificate for one of the hub's own listeners, `refuse` audits what another listener refused,
  `proved` notes that a revocation cut sessions there.
- `register.Register`: `enrol` (request + one-time token), `renew`, both one transaction.
- `verify.Verifier`: `check(der)` says who shows a certificate, or why it is refused; `Presence`
  says so when one certificate is used in two places at once.
- `status.Revocations`: `revoked(serial)`, `all()`, `watch(tell)`: hears a revocation when it is
  committed.
- `client`: makes a key, enrols by a ticket, renews. Needs no hub in its process.
"""

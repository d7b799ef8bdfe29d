"""What the API answers with, for OpenAPI. Times are ISO 8601 UTC, titles «中文 English»."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, WithJsonSchema

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


class Columns(BaseModel):
    """Samples as aligned columns of equal length."""

    tag: list[str] = Field(description="Names, `asset/property`")
    time: list[str | int] = Field(description="ISO 8601 UTC, or ns or ms since 1970 when asked")
    value: list[float | str | None] = Field(description="Numbers, texts; null is not a number")
    quality: list[int] = Field(description="< 64 good, < 128 uncertain, else bad")


class BucketColumns(BaseModel):
    """Aggregates over the good samples of equal buckets; empty buckets are left out."""

    tag: list[str]
    start: list[str | int] = Field(description="Begin of each bucket")
    count: list[int]
    low: list[float | None]
    high: list[float | None]
    mean: list[float | None]
    first: list[float | None]
    last: list[float | None]
    total: list[float | None]
    duration_s: float = Field(description="Width of every bucket")


class TagRow(BaseModel):
    id: int
    name: str = Field(description="`asset/property`: unique, how other routes call it")
    asset: str
    property: str
    title: str
    kind: Literal["number", "boolean", "text"]
    unit: str = Field(description="UCUM code")
    low: float | None = Field(description="Lower limit of the normal range")
    high: float | None
    device: str
    address: str
    period_s: float
    writable: bool
    expression: str
    asset_type: str


class TagRows(BaseModel):
    tags: list[TagRow]
    total: int = Field(description="How many were found in all")
    cursor: str = Field(description="Asks for the next ones; empty at the end")


class AssetRow(BaseModel):
    path: str
    title: str
    type: str
    level: str
    parent: str
    organisation: str


class AssetRows(BaseModel):
    assets: list[AssetRow]


class AlarmRow(BaseModel):
    id: int
    app: str
    tag: str
    asset: str
    kind: str
    priority: int = Field(ge=1, le=4, description="1 urgent … 4 low (ISA-18.2)")
    message: str
    raised: Time
    cleared: Time | None = None
    active: bool
    acknowledged: bool
    shelved_until: Time | None = None
    suppressed: str = Field("", description="Why it is suppressed; empty: it is not")
    hidden: bool = Field(description="Shelved or suppressed: not counted, shown last")
    by: str = Field("", description="Who acknowledged it")
    comment: str = ""
    count: int = Field(1, description="How often it was raised")


class AlarmEvent(BaseModel):
    """Something that happened to an alarm: raised, returned, acknowledged, shelved …"""

    alarm: int
    time: Time
    what: str
    who: str
    message: str
    note: str = Field(description="The reason or comment that came with it")
    asset: str
    priority: int | None


class Alarms(BaseModel):
    alarms: list[AlarmRow]
    events: list[AlarmEvent] = Field(description="With `state=history`: the newest first")
    counts: list[int] = Field(description="Open ones of priority 1, 2, 3, 4; hidden ones left out")
    note: str = Field("", description="Why there are none to tell of, when no app tells alarms")


class AssetDetail(BaseModel):
    asset: AssetRow
    type: dict[str, Any] | None = Field(description="The asset type with its properties")
    children: list[AssetRow]
    counts: dict[str, int] = Field(description="How many tags are in and below each child, by path")
    tags: list[TagRow]
    alarms: list[AlarmRow]


class HealthRow(BaseModel):
    kind: str
    name: str
    state: Literal["up", "starting", "degraded", "down", "off"]
    since: Time
    why: str
    node: str
    figures: dict[str, float | str | None]


class Devices(BaseModel):
    healths: list[HealthRow]


class Alive(BaseModel):
    status: Literal["up", "degraded"]
    node: str
    version: str
    time: Time
    tags: int
    parts: dict[str, int] = Field(description="How many parts are in each state")
    history: dict[str, float]


class Pulse(BaseModel):
    """What nobody learns of a node: that it lives."""

    status: Literal["alive"]


class ProcessRow(BaseModel):
    """An app's own process. confined: by what; state: granted, waiting, more or revoked."""

    source: str
    version: str
    confined: list[str]
    limits: dict[str, float]
    figures: dict[str, float]
    state: str
    asks: list[str]
    granted: list[str]


class AppRow(BaseModel):
    name: str
    title: str
    summary: str
    serves: list[str]
    settings: dict[str, Any]
    listens: list[str]
    permissions: list[str]
    health: HealthRow
    pages: list[dict[str, str]]
    process: ProcessRow | None = Field(None, description="Its own process; null: runs in the hub")


class AppRows(BaseModel):
    apps: list[AppRow]


class Jobs(BaseModel):
    jobs: list[dict[str, Any]]
    note: str = ""


class AuditLine(BaseModel):
    id: int = Field(description="Ask /api/audit/proof for it")
    time: Time
    caller: str
    verb: str
    permission: str
    outcome: str
    reason: str


class AuditLines(BaseModel):
    records: list[AuditLine]
    before: int | None = Field(description="Ask with this `before` for older ones; null at the end")


class AuditState(BaseModel):
    state: Literal["up", "starting", "degraded", "down", "off"]
    why: str
    key: str = Field(description="Public key of the log: note it down elsewhere")
    origin: str
    size: int = Field(description="Sealed records")
    root: str = Field(description="Of the Merkle tree over them, base64")
    waiting: int = Field(description="Rows that are committed and not yet sealed")
    verified: Time | None = Field(description="When the log was hashed again last")
    hashed: int = Field(description="Records that were hashed again then")
    whole: bool = Field(description="Whether those were all")
    witnesses: list[str]
    findings: list[str] = Field(description="What is damaged, and where; the first is the first")


class AuditProof(BaseModel):
    record: int
    index: int = Field(description="Position in the log, from 0")
    size: int
    root: str
    proof: str = Field(description="c2sp.org/tlog-proof, with the record as extra data")


class AuditConsistency(BaseModel):
    old: int
    checkpoint: str
    hashes: list[str]


class AuditEntry(BaseModel):
    position: int
    entry: str = Field(description="The record, byte for byte: JSON after RFC 8785")


class AuditEntries(BaseModel):
    entries: list[AuditEntry]
    next: int | None = Field(description="Ask with this `since` for more; null at the end")


class ConfigText(BaseModel):
    path: str
    text: str


class ConfigProposal(BaseModel):
    text: str


class ConfigReplacement(BaseModel):
    text: str
    reason: str = Field(description="Why; the audit keeps it")


class ConfigFault(BaseModel):
    line: int | None
    where: str
    why: str
    hint: str


class ConfigVerdict(BaseModel):
    problems: list[ConfigFault]
    changes: list[str] = Field(description="What would start, stop or change")


class ProofRow(BaseModel):
    time: Time
    by: str
    claim: str
    figures: dict[str, str | int | float | bool]
    page: str
    count: int


class ElementLine(BaseModel):
    id: str
    wing: Literal["network", "platform", "security"]
    title: str
    asks: str
    proved: bool = Field(description="False: there is no evidence, and the row says so")
    proofs: list[ProofRow]


class ElementLines(BaseModel):
    elements: list[ElementLine]


class FaultRows(BaseModel):
    faults: list[dict[str, Any]]


class FaultSwitch(BaseModel):
    name: str
    on: bool


class VerbRow(BaseModel):
    app: str
    name: str
    kind: Literal["command", "query", "page"]
    title: str
    summary: str
    permission: str
    takes: dict[str, Any]
    gives: dict[str, Any]


class VerbRows(BaseModel):
    verbs: list[VerbRow]


class Area(BaseModel):
    path: str
    title: str
    level: str
    assets: int
    tags: int
    bad: int = Field(description="Tags whose newest sample is bad")
    alarms: list[int] = Field(description="Open alarms of priority 1 to 4")


class ChangeLine(BaseModel):
    time: Time
    kind: Literal["alarm", "returned", "audit", "health"]
    text: str
    note: str = Field(description="The reason that came with it")
    page: str
    who: str = Field("", description="Who acted, or the kind of part: edge, link, device, server")
    name: str = Field("", description="Title of what was done, or name of the part")
    state: str = Field("", description="Outcome, or the state that the part is in")


class KeyRow(TagRow):
    asset_title: str


class Overview(BaseModel):
    areas: list[Area]
    counts: list[int]
    alarms: list[AlarmRow]
    keys: list[KeyRow]
    links: list[HealthRow]
    changes: list[ChangeLine]
    since: Time


class PageRow(BaseModel):
    page: str = Field(description="Address behind the language; empty: the overview")
    title: str


class Found(BaseModel):
    """What a search found, the best first."""

    pages: list[PageRow]
    verbs: list[VerbRow] = Field(description="Commands and pages of apps that the caller may use")
    assets: list[AssetRow]
    tags: list[TagRow]
    alarms: list[AlarmRow]
    total: int = Field(description="How many tags were found in all")


class StatisticsRow(BaseModel):
    tag: str
    count: int
    good: float | None = Field(description="Share of good samples, 0 to 1; null: too many to read")
    low: float | None
    mean: float | None
    high: float | None
    std: float | None = Field(description="Of the population; null: too many to read")
    last: float | str | None
    last_time: Time | None


class Statistics(BaseModel):
    statistics: list[StatisticsRow]


class ConditionRow(BaseModel):
    text: str
    why: str = Field(description="Why it does not hold; empty when it does")


class WriteOutlook(BaseModel):
    tag: str
    kind: Literal["number", "boolean", "text"]
    unit: str
    title: str
    low: float | None
    high: float | None
    value: float | str | None
    quality: int
    time: Time | None
    refused: str = Field(description="Why any write would be refused now; empty when none would")
    policies: list[str] = Field(description="Policies that decide it")
    who_may: list[str]
    approval: bool = Field(description="True: another person has to approve it")
    approvers: list[str]
    conditions: list[ConditionRow] = Field(description="Interlocks, as they stand")


class WriteWish(BaseModel):
    tag: str = Field(description="asset/property, or the number")
    value: float | str = Field(description="In the unit of the tag; 0 or 1 for a boolean")
    reason: str = Field(description="Why; the audit keeps it")
    override: bool = Field(False, description="Beyond the limits of the tag, for who may")


class WriteReply(BaseModel):
    done: bool
    value: float | str | None = Field(description="Read back from the device")
    why: str
    request: int = Field(description="Number of the request that waits for approval, 0: none")

"""Plain MQTT: topics with JSON or raw payloads as tags."""

from baotu.sdk import DriverEntry

from .address import ADDRESS_HELP
from .driver import Client

DRIVER = DriverEntry(
    title="MQTT 主题 MQTT",
    summary="读写普通 MQTT 主题：JSON 或裸值报文，主题模板，MQTT 5 与 3.1.1。"
    " Reads and writes plain MQTT topics: JSON or raw payloads, topic patterns, MQTT 5 and 3.1.1.",
    client=Client,
    address_help=ADDRESS_HELP,
    kinds={"number": "number", "boolean": "boolean", "text": "text"},
)

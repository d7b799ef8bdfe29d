"""OPC UA: subscribes to a server's variables, and serves the tag tree to other clients."""

from baotu.sdk import DriverEntry

from .address import HELP
from .client import Client
from .server import Server

DRIVER = DriverEntry(
    title="OPC UA 客户端与服务器 OPC UA client and server",
    summary=(
        "订阅 OPC UA 服务器的变量，并把位号树提供给其他客户端 "
        "Subscribes to variables of OPC UA servers and serves the tag tree to clients"
    ),
    client=Client,
    server=Server,
    address_help=HELP,
    kinds={
        "Boolean": "boolean", "SByte": "number", "Byte": "number", "Int16": "number",
        "UInt16": "number", "Int32": "number", "UInt32": "number", "Int64": "number",
        "UInt64": "number", "Float": "number", "Double": "number", "DateTime": "number",
        "String": "text", "LocalizedText": "text", "Enumeration": "text",
    },
)  # fmt: skip

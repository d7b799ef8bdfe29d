"""Sparkplug B 3.0 over MQTT: a host application that reads, an edge node that publishes."""

from baotu.sdk import DriverEntry

from .datatypes import TYPE_NAMES
from .driver import Client
from .publisher import Server
from .topics import ADDRESS_HELP

DRIVER = DriverEntry(
    title="Sparkplug B 工业 MQTT Sparkplug B",
    summary="作为主机应用读写 Sparkplug B 边缘节点，并把位号树作为边缘节点发布。"
    " Reads and writes Sparkplug B edge nodes as a host application; publishes tags as one.",
    client=Client,
    server=Server,
    address_help=ADDRESS_HELP,
    kinds=TYPE_NAMES,
)

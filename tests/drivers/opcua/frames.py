"""Response bodies as bytes, made with asyncua's encoder: the reference for our decoder."""

from datetime import UTC, datetime, timedelta

from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(ns):
    return None if ns is None else EPOCH + timedelta(microseconds=ns // 1000)


def data_value(value, kind, source=None, server=None, status=None):
    variant = None if kind is None else ua.Variant(value, kind)
    return ua.DataValue(
        variant, StatusCode=None if status is None else ua.StatusCode(status),
        SourceTimestamp=moment(source), ServerTimestamp=moment(server),
    )  # fmt: skip


def publish(items, sequence=3, subscription=7):
    """items: [(handle, DataValue)]."""
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = subscription
    response.Parameters.AvailableSequenceNumbers = [1, 2]
    message = response.Parameters.NotificationMessage
    message.SequenceNumber = sequence
    told = [ua.MonitoredItemNotification(ClientHandle=h, Value=v) for h, v in items]
    message.NotificationData = [ua.DataChangeNotification(MonitoredItems=told)]
    return struct_to_binary(response)


def history(nodes):
    """nodes: [(status, continuation, [DataValue])]."""
    response = ua.HistoryReadResponse()
    for status, more, values in nodes:
        result = ua.HistoryReadResult(StatusCode=ua.StatusCode(status), ContinuationPoint=more)
        result.HistoryData = ua.HistoryData(DataValues=values)
        response.Results.append(result)
    return struct_to_binary(response)


def browse(nodes):
    """nodes: [(continuation, [(node id, name, node class, type)])]."""
    response = ua.BrowseResponse()
    for more, found in nodes:
        result = ua.BrowseResult(ContinuationPoint=more)
        for node, name, kind, definition in found:
            result.References.append(
                ua.ReferenceDescription(
                    ReferenceTypeId=ua.NodeId(35), IsForward=True,
                    NodeId=ua.NodeId.from_string(node), BrowseName=ua.QualifiedName(name, 2),
                    DisplayName=ua.LocalizedText(name), NodeClass=kind,
                    TypeDefinition=ua.NodeId(definition),
                )
            )  # fmt: skip
        response.Results.append(result)
    return struct_to_binary(response)

"""The part of OPC UA's own address space that a client of this plant needs, as a table of facts.

The whole of namespace 0 costs 45 MB and two seconds a server; these 170 nodes cost neither.
Node ids come from the library's list of standard names (OPC UA Part 6, A.3); the tree is that of
Part 3 (reference and data types) and Part 5 (objects and types of a server).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from asyncua import ua

# parent: children. Every child hangs on its parent by HasSubtype.
REFERENCE_TYPES = """
References: HierarchicalReferences NonHierarchicalReferences
HierarchicalReferences: HasChild Organizes HasEventSource
HasChild: Aggregates HasSubtype
Aggregates: HasProperty HasComponent HasHistoricalConfiguration
HasComponent: HasOrderedComponent
HasEventSource: HasNotifier
NonHierarchicalReferences: HasModellingRule HasEncoding HasDescription HasTypeDefinition GeneratesEvent
"""
DATA_TYPES = """
BaseDataType: Boolean ByteString DateTime DataValue DiagnosticInfo Enumeration ExpandedNodeId Guid
BaseDataType: LocalizedText NodeId Number QualifiedName String Structure StatusCode XmlElement
Number: Integer UInteger Double Float
Integer: SByte Int16 Int32 Int64
UInteger: Byte UInt16 UInt32 UInt64
Double: Duration
DateTime: UtcTime
String: LocaleId NumericRange
Enumeration: ServerState RedundancySupport NodeClass
Structure: Range EUInformation BuildInfo ServerStatusDataType Argument
"""
OBJECT_TYPES = """
BaseObjectType: FolderType ServerType ServerCapabilitiesType OperationLimitsType DataTypeEncodingType
BaseObjectType: ServerDiagnosticsType ServerRedundancyType ModellingRuleType BaseEventType
"""
VARIABLE_TYPES = """
BaseVariableType: BaseDataVariableType PropertyType
BaseDataVariableType: DataItemType ServerStatusType BuildInfoType
DataItemType: BaseAnalogType DiscreteItemType
BaseAnalogType: AnalogItemType
"""
ABSTRACT = (
    "References", "HierarchicalReferences", "NonHierarchicalReferences", "HasChild", "Aggregates",
    "BaseDataType", "Number", "Integer", "UInteger", "Enumeration", "Structure", "BaseVariableType",
)  # fmt: skip
# names as people see them, where they differ from the id's name
NAMES = {
    "RootFolder": "Root", "ObjectsFolder": "Objects", "TypesFolder": "Types", "ViewsFolder": "Views",
    "ObjectTypesFolder": "ObjectTypes", "VariableTypesFolder": "VariableTypes",
    "DataTypesFolder": "DataTypes", "ReferenceTypesFolder": "ReferenceTypes",
    "EventTypesFolder": "EventTypes",
}  # fmt: skip
INVERSE = {
    "Organizes": "OrganizedBy", "HasProperty": "PropertyOf", "HasComponent": "ComponentOf",
    "HasSubtype": "SubtypeOf", "HasTypeDefinition": "TypeDefinitionOf", "HasEncoding": "EncodingOf",
    "HasNotifier": "NotifierOf", "HasEventSource": "EventSourceOf",
    "HasModellingRule": "ModellingRuleOf", "HasDescription": "DescriptionOf",
    "GeneratesEvent": "GeneratedBy", "HasOrderedComponent": "OrderedComponentOf",
}  # fmt: skip
FOLDERS = """
RootFolder: ObjectsFolder TypesFolder ViewsFolder
TypesFolder: ObjectTypesFolder VariableTypesFolder DataTypesFolder ReferenceTypesFolder EventTypesFolder
"""
# object: its type, and the reference from the object above
OBJECTS = (
    ("Server", "ObjectsFolder", "Organizes", "ServerType"),
    ("Server_ServerCapabilities", "Server", "HasComponent", "ServerCapabilitiesType"),
    ("Server_ServerCapabilities_OperationLimits", "Server_ServerCapabilities", "HasComponent",
     "OperationLimitsType"),
    ("Server_ServerDiagnostics", "Server", "HasComponent", "ServerDiagnosticsType"),
    ("Server_ServerRedundancy", "Server", "HasComponent", "ServerRedundancyType"),
)  # fmt: skip
# property or component: its parent is the longest prefix that exists. type, value, is array
_LIMIT = "Server_ServerCapabilities_OperationLimits_"
_BUILD = "Server_ServerStatus_BuildInfo"
VARIABLES: tuple[tuple[str, str, object, bool], ...] = (
    ("Server_ServerArray", "String", None, True),
    ("Server_NamespaceArray", "String", None, True),
    ("Server_ServiceLevel", "Byte", 255, False),
    ("Server_Auditing", "Boolean", False, False),
    ("Server_ServerStatus", "ServerStatusDataType", None, False),
    ("Server_ServerStatus_StartTime", "UtcTime", None, False),
    ("Server_ServerStatus_CurrentTime", "UtcTime", None, False),
    ("Server_ServerStatus_State", "ServerState", 0, False),
    (_BUILD, "BuildInfo", None, False),
    (f"{_BUILD}_ProductName", "String", "", False),
    (f"{_BUILD}_ProductUri", "String", "", False),
    (f"{_BUILD}_ManufacturerName", "String", "", False),
    (f"{_BUILD}_SoftwareVersion", "String", "", False),
    (f"{_BUILD}_BuildNumber", "String", "", False),
    (f"{_BUILD}_BuildDate", "UtcTime", None, False),
    ("Server_ServerStatus_SecondsTillShutdown", "UInt32", 0, False),
    ("Server_ServerStatus_ShutdownReason", "LocalizedText", None, False),
    ("Server_ServerDiagnostics_EnabledFlag", "Boolean", False, False),
    ("Server_ServerRedundancy_RedundancySupport", "RedundancySupport", 0, False),
    ("Server_ServerCapabilities_ServerProfileArray", "String", None, True),
    ("Server_ServerCapabilities_LocaleIdArray", "LocaleId", None, True),
    ("Server_ServerCapabilities_MinSupportedSampleRate", "Duration", 100.0, False),
    ("Server_ServerCapabilities_MaxBrowseContinuationPoints", "UInt16", 0, False),
    ("Server_ServerCapabilities_MaxQueryContinuationPoints", "UInt16", 0, False),
    ("Server_ServerCapabilities_MaxHistoryContinuationPoints", "UInt16", 0, False),
    ("Server_ServerCapabilities_MaxArrayLength", "UInt32", 0, False),
    ("Server_ServerCapabilities_MaxStringLength", "UInt32", 0, False),
    *(
        (f"{_LIMIT}{name}", "UInt32", 10_000, False)
        for name in (
            "MaxNodesPerRead", "MaxNodesPerHistoryReadData", "MaxNodesPerHistoryReadEvents",
            "MaxNodesPerWrite", "MaxNodesPerHistoryUpdateData", "MaxNodesPerHistoryUpdateEvents",
            "MaxNodesPerMethodCall", "MaxNodesPerBrowse", "MaxNodesPerRegisterNodes",
            "MaxNodesPerTranslateBrowsePathsToNodeIds", "MaxNodesPerNodeManagement",
            "MaxMonitoredItemsPerCall",
        )
    ),
)  # fmt: skip
VARIANTS = {"UtcTime": "DateTime", "Duration": "Double", "ServerState": "Int32", "LocaleId": "String",
            "RedundancySupport": "Int32", "ServerStatusDataType": "ExtensionObject",
            "BuildInfo": "ExtensionObject"}  # fmt: skip
COMPONENTS = frozenset(
    {"Server_ServerStatus", _BUILD}
    | {name for name, *_ in VARIABLES if name.startswith("Server_ServerStatus_")}
)
VARIABLE_OF = {"ServerStatusDataType": "ServerStatusType", "BuildInfo": "BuildInfoType"}


def standard_nodes() -> Iterator[ua.AddNodesItem]:
    """In an order in which every node's parent and type are there before it, but for the types of
    the folders, which the caller lets pass."""
    yield from _branch(OBJECT_TYPES, _object_type)
    yield from _branch(VARIABLE_TYPES, _variable_type)
    yield from _branch(REFERENCE_TYPES, _reference_type)
    yield from _branch(DATA_TYPES, _data_type)
    for parent, children in _lines(FOLDERS):
        if parent == "RootFolder":
            yield _item(parent, "", "", ua.NodeClass.Object, _object(), "FolderType")
        for child in children:
            yield _item(child, parent, "Organizes", ua.NodeClass.Object, _object(), "FolderType")
    for name, parent, reference, type in OBJECTS:
        yield _item(name, parent, reference, ua.NodeClass.Object, _object(), type)
    for name, type, value, array in VARIABLES:
        component = name in COMPONENTS
        yield _item(
            name,
            name.rpartition("_")[0],
            "HasComponent" if component else "HasProperty",
            ua.NodeClass.Variable,
            _variable(type, value, array),
            VARIABLE_OF.get(type, "BaseDataVariableType") if component else "PropertyType",
        )


def roots() -> Iterator[tuple[str, str]]:
    """(folder, the type that hangs in it)."""
    yield "ObjectTypesFolder", "BaseObjectType"
    yield "VariableTypesFolder", "BaseVariableType"
    yield "DataTypesFolder", "BaseDataType"
    yield "ReferenceTypesFolder", "References"
    yield "EventTypesFolder", "BaseEventType"


def node_id(name: str) -> ua.NodeId:
    return ua.NodeId(getattr(ua.ObjectIds, name))


def _lines(table: str) -> Iterator[tuple[str, list[str]]]:
    for line in table.strip().splitlines():
        parent, _, children = line.partition(":")
        yield parent, children.split()


def _branch(table: str, make: Callable[[str, str], ua.AddNodesItem]) -> Iterator[ua.AddNodesItem]:
    first = True
    for parent, children in _lines(table):
        if first:
            yield make(parent, "")
            first = False
        for child in children:
            yield make(child, parent)


def _item(
    name: str, parent: str, reference: str, kind: ua.NodeClass, attributes: Any, type: str = ""
) -> ua.AddNodesItem:
    item = ua.AddNodesItem()
    item.RequestedNewNodeId = node_id(name)
    label = NAMES.get(name, name.rpartition("_")[2])
    item.BrowseName = ua.QualifiedName(label, 0)
    item.NodeClass = kind
    attributes.DisplayName = ua.LocalizedText(label)
    item.NodeAttributes = attributes
    if parent:
        item.ParentNodeId = node_id(parent)
        item.ReferenceTypeId = node_id(reference)
    if type:
        item.TypeDefinition = node_id(type)
    return item


def _object() -> ua.ObjectAttributes:
    attributes = ua.ObjectAttributes()
    attributes.EventNotifier = 0
    return attributes


def _variable(type: str, value: object, array: bool) -> ua.VariableAttributes:
    attributes = ua.VariableAttributes()
    attributes.DataType = node_id(type)
    attributes.ValueRank = ua.ValueRank.OneDimension if array else ua.ValueRank.Scalar
    attributes.AccessLevel = attributes.UserAccessLevel = ua.AccessLevel.CurrentRead.mask
    variant = ua.VariantType[VARIANTS.get(type, type)]
    if value is not None:
        attributes.Value = ua.Variant(value, variant)
    elif array:
        attributes.Value = ua.Variant([], variant, is_array=True)
    else:
        attributes.Value = ua.Variant(None, ua.VariantType.Null)
    return attributes


def _object_type(name: str, parent: str) -> ua.AddNodesItem:
    attributes = ua.ObjectTypeAttributes()
    return _item(name, parent, "HasSubtype", ua.NodeClass.ObjectType, attributes)


def _variable_type(name: str, parent: str) -> ua.AddNodesItem:
    attributes = ua.VariableTypeAttributes()
    attributes.DataType = node_id("BaseDataType")
    attributes.ValueRank = ua.ValueRank.Any
    attributes.IsAbstract = name in ABSTRACT
    return _item(name, parent, "HasSubtype", ua.NodeClass.VariableType, attributes)


def _reference_type(name: str, parent: str) -> ua.AddNodesItem:
    attributes = ua.ReferenceTypeAttributes()
    attributes.IsAbstract = name in ABSTRACT
    attributes.Symmetric = name == "References"
    attributes.InverseName = ua.LocalizedText(INVERSE.get(name, ""))
    return _item(name, parent, "HasSubtype", ua.NodeClass.ReferenceType, attributes)


def _data_type(name: str, parent: str) -> ua.AddNodesItem:
    attributes = ua.DataTypeAttributes()
    attributes.IsAbstract = name in ABSTRACT
    return _item(name, parent, "HasSubtype", ua.NodeClass.DataType, attributes)

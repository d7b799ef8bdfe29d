"""The 25 elements of 《2022年济南市工业互联网应用创新示范项目要素条件》, as rows: id, wing, title."""

from __future__ import annotations

from typing import Literal

Wing = Literal["network", "platform", "security"]
ROWS: tuple[tuple[str, Wing, str], ...] = (
    ("1.1", "network", "企业内外网络互联 Interconnection inside and outside the plant"),
    ("1.2", "network", "企业内网络 In-plant network"),
    ("1.3", "network", "企业外网络 External network"),
    ("1.4", "network", "IPv6 改造 IPv6 transformation"),
    ("1.5", "network", "基于网络的应用 Applications on the network"),
    ("1.6", "network", "IPv6 远程运维 Remote service over IPv6"),
    ("1.7", "network", "网络安全制度与防护 Network security rules and protection"),
    ("2.0", "platform", "平台体系架构 Platform architecture"),
    ("2.1", "platform", "边缘智能 Edge intelligence"),
    ("2.2", "platform", "协同研发设计 Collaborative design"),
    ("2.3", "platform", "产业链协同制造 Supply-chain collaboration"),
    ("2.4", "platform", "分享制造 Shared manufacturing"),
    ("2.5", "platform", "按需制造 On-demand manufacturing"),
    ("2.6", "platform", "数字孪生 Digital twin"),
    ("2.7", "platform", "生产设备健康管理 Equipment health"),
    ("2.8", "platform", "产品远程运维 Product remote service"),
    ("2.9", "platform", "先进制造业集聚 Regional manufacturing cluster"),
    ("2.10", "platform", "产融合作 Industry and finance"),
    ("3.1", "security", "设备和控制安全 Devices and control"),
    ("3.2", "security", "标识解析系统安全 Identifier resolution"),
    ("3.3", "security", "平台安全 Platform"),
    ("3.4", "security", "态势感知和监测预警 Situational awareness"),
    ("3.5", "security", "数据安全 Data"),
    ("3.6", "security", "检测评估和测试验证 Assessment and verification"),
    ("3.7", "security", "安全技术创新 New security technology"),
)

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

ASKS: dict[str, str] = {
    "1.1": "人、机器、车间与控制、管理系统互联，数据采集、传输和处理，网络安全 "
    "People, machines, workshops and systems joined; data acquired, carried, processed, secured",
    "1.2": "工业以太网、工业PON、工业无线、TSN 使装备、仪表、传感器与系统互通 "
    "Industrial Ethernet, PON, wireless and TSN let equipment, sensors and systems interoperate",
    "1.3": "宽带、NB-IoT、eMTC、SDN、ICN 连接厂区、智能产品与伙伴 "
    "Broadband, NB-IoT, eMTC, SDN and ICN connect sites, smart products and partners",
    "1.4": "内外网络完成 IPv6 升级或过渡，覆盖生产环境并互通 "
    "IPv6 upgrade or transition inside and outside, coverage of production and interworking",
    "1.5": "基于 IPv6 的全流程采集分析与资源协调调度 "
    "Whole-process acquisition and analysis, and coordination of resources, over IPv6",
    "1.6": "在线检测、预测性维护、预警、诊断修复、优化、远程升级 "
    "Online detection, predictive maintenance, warning, diagnosis, optimisation, remote upgrade",
    "1.7": "安全管理制度，支持 IPv6 的工业防火墙与安全监测审计 "
    "Security rules, industrial firewalls for IPv6, monitoring and audit",
    "2.0": "大范围采集、协议转换、边缘计算、大数据、机理模型、工业 APP、标识解析 "
    "Wide acquisition, conversion, edge, big data, models, industrial apps, identifier resolution",
    "2.1": "多源数据归一化，边缘预处理、存储、实时异常检测，与云端协同 "
    "Many-source data normalised, stored and analysed at the edge, in concert with the cloud",
    "2.2": "研发数据集成，云化研发工具，异地协同并行设计 "
    "Design data integrated, design tools hosted, remote concurrent work",
    "2.3": "上下游信息共享，物料识别跟踪，智能配送，内外计划衔接 "
    "Chain information shared, material tracked, smart delivery, internal and external plans joined",
    "2.4": "制造能力在线发布、弹性供给、供需对接、精准计费 "
    "Capabilities published, supplied elastically, matched and billed precisely",
    "2.5": "消费数据驱动采购、排产与运营，柔性定制生产 "
    "Consumption drives purchasing, scheduling and operation; flexible, customised production",
    "2.6": "设计与生产数字模型，数字映射、实时监控和动态优化 "
    "Models of design and production: mapping, live monitoring, dynamic optimisation",
    "2.7": "设备状态与能效监测、异常报警、诊断、优化、智能维修 "
    "Condition and energy monitoring, alarms, diagnosis, optimisation, smart maintenance",
    "2.8": "产品运行、状态与位置数据，远程监控、诊断、预测性维护 "
    "Running, state and location of products: remote monitoring, diagnosis, prediction",
    "2.9": "区域企业产供销数据汇聚，供需对接，集成供应链，产业电商 "
    "A region's purchase, production and sales data; matching, integrated supply, e-commerce",
    "2.10": "经营数据估算坏账概率，运行数据为保险定价提供依据 "
    "Operating data estimate default, product condition data give insurers a basis",
    "3.1": "海量多类型设备接入的信任体系，设备与控制安全防护 "
    "A trust system for masses of devices; protection of devices and control",
    "3.2": "解析完整性、节点可信认证、资源访问控制、标识安全监测 "
    "Integrity of resolution, trusted nodes, access control of resources, monitoring",
    "3.3": "边缘、IaaS、PaaS、SaaS 的边界防护、访问控制、入侵防范、审计 "
    "Boundary, access control, intrusion prevention and audit at every layer",
    "3.4": "资产与设备探测、攻击监测、漏洞、情报、溯源与应对 "
    "Assets, discovery, attack monitoring, vulnerabilities, intelligence, trace-back, response",
    "3.5": "数据全过程保护、访问控制、隐私、备份、分级分类与评估 "
    "Data protected through their life; access, privacy, backup, classification, assessment",
    "3.6": "典型业务全流程安全仿真，风险测试验证与规划诊断 "
    "Whole-process security simulation, risks tested and verified, planning and diagnosis",
    "3.7": "区块链、人工智能等新技术用于多层次防护 "
    "Blockchain, artificial intelligence and other new technology for protection",
}
"""What the official text asks for, in a sentence: 中文 English."""

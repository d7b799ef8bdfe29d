"""`baotu`: words and options. What they do lives in `baotu.house`; imports happen where needed,
so that `baotu --help` is quick."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from baotu import cli_keep
from baotu.cli_common import NODE, Config, Data, asked, guarded, lines, stop, told
from baotu.cli_devices import ca, device
from baotu.cli_people import account, token
from baotu.sdk.errors import BaotuError, ConfigError
from baotu.sdk.messages import SEAM, bilingual, halves

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="趵突 Baotu: 工业互联网平台 an open industrial internet platform.",
)
new = typer.Typer(
    no_args_is_help=True, help="新建驱动或应用 Make the folder of a driver or an app."
)
fault = typer.Typer(no_args_is_help=True, help="示例工厂的故障 Faults of the demo plant.")
app.add_typer(new, name="new")
app.add_typer(account, name="account")
app.add_typer(token, name="token")
app.add_typer(fault, name="fault")
app.add_typer(ca, name="ca")
app.add_typer(device, name="device")
app.add_typer(cli_keep.secret, name="secret")
app.command("backup")(cli_keep.backup)
app.command("restore")(cli_keep.restore)

Listen = Annotated[
    str, typer.Option("--listen", help='控制台地址 Console address, e.g. "[::1]:8080"')
]
Name = Annotated[str, typer.Argument(help="名称，小写 Name, in small letters")]
Fault = Annotated[str, typer.Argument(help="故障 Fault, e.g. bearing_wear:motor-1")]
DemoData = Annotated[Path, typer.Option("--data", help="示例的数据文件夹 Data folder of the demo")]
Misuse: Any = typer.BadParameter.__base__  # click's UsageError; typer shows this one of them alone


@app.command()
def demo(
    data: Annotated[Path, typer.Option("--data", help="数据文件夹 Data folder")] = Path(
        "demo-data"
    ),
    listen: Listen = "",
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--fault", help="启动时的故障 Fault from the start, e.g. bearing_wear:motor-1@60s"
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", help="运行多久，0 为直到 Ctrl-C How long, 0 until Ctrl-C")
    ] = 0.0,
) -> None:
    """启动示例工厂和整个平台 Start the demo plant and the whole platform on it."""
    from baotu.house.demo import run_demo

    guarded(lambda: run_demo(data, listen, tuple(faults or ()), seconds))


@app.command()
def run(
    config: Config = NODE,
    role: Annotated[
        str, typer.Option("--role", help="edge | hub | all，优先于配置 before the configuration's")
    ] = "",
    data: Data = None,
    listen: Listen = "",
) -> None:
    """启动节点 Start a node."""
    from baotu.house.run import run_node

    guarded(lambda: run_node(config, role, data, listen))


@app.command()
def join(
    ticket: Annotated[
        str, typer.Argument(help="票据，或装着它的文件 The ticket, or a file that holds it")
    ],
    config: Config = NODE,
    data: Data = None,
) -> None:
    """边缘节点用票据加入中心；密钥在此生成 An edge joins its hub by a ticket; its key is made here."""
    from baotu.house.linking import join as joined

    guarded(lambda: typer.echo(joined(config, data, ticket)))


@app.command()
def config(
    check: Annotated[Path | None, typer.Argument(help="要检查的配置文件 File to check")] = None,
    sample: Annotated[
        str | None,
        typer.Option(
            "--sample",
            help="打印样例：node、驱动或应用名 Print the sample of node, a driver or an app",
        ),
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="打印全部配置项 Print every setting")
    ] = False,
) -> None:
    """检查配置，或打印样例 Check a configuration, or print a sample."""
    from baotu.house import reference as words
    from baotu.house.file import examine
    from baotu.kernel.registry import Registry

    registry = Registry()
    if reference:
        typer.echo(words.reference(registry), nl=False)
    elif sample is not None:
        try:
            if sample == "node":
                typer.echo(words.sample_node(), nl=False)
            elif sample in registry.drivers():
                typer.echo(words.sample_driver(sample, registry), nl=False)
            else:
                typer.echo(words.sample_app(sample, registry), nl=False)
        except ConfigError as error:
            stop(f"{error}; drivers: {', '.join(registry.drivers())}")
    else:
        made, problems = examine(check or NODE)
        for problem in problems:
            typer.echo(lines(problem), err=True)
        if made is None:
            raise typer.Exit(2)
        for warning in made.warnings:
            typer.echo(f"! {warning}", err=True)
        tags = sum(len(d.tags) for d in made.devices)
        typer.echo(
            f"好 good: {check or NODE}: {len(made.devices)} devices, {tags} tags, {len(made.servers)} servers"
        )


@new.command("driver")
def new_driver(
    name: Name, into: Annotated[Path, typer.Option("--into", help="放在哪里 Where")] = Path()
) -> None:
    """新驱动 A new driver, with its parts and a red conformance test."""
    _create("driver", name, into)


@new.command("app")
def new_app(
    name: Name, into: Annotated[Path, typer.Option("--into", help="放在哪里 Where")] = Path()
) -> None:
    """新应用 A new app, with its parts and a red test."""
    _create("app", name, into)


def _create(kind: str, name: str, into: Path) -> None:
    from baotu.house.scaffold import create

    def work() -> None:
        for path in create(kind, name, into):
            typer.echo(path)

    guarded(work)
    typer.echo(f"下一步 Next: cd {into / name} && python -m pytest tests")


@app.command("try")
def attempt(
    file: Annotated[Path, typer.Argument(help="应用文件 File of the app (*.py)")],
    plant: Annotated[str, typer.Option("--plant", help="工厂 Plant: demo")] = "demo",
    minutes: Annotated[float, typer.Option("--minutes", help="模拟时间 Simulated time")] = 10.0,
    faults: Annotated[
        list[str] | None, typer.Option("--fault", help="故障 Fault, e.g. bearing_wear:motor-1")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="随机种子 Seed")] = 1,
) -> None:
    """离线试运行一个应用并打印它的事实 Try one app offline and print its facts."""
    from baotu.house.attempt import attempt as try_app

    try:
        for line in try_app(file, plant, minutes, tuple(faults or ()), seed):
            typer.echo(line)
    except (BaotuError, ValueError) as error:
        stop(error)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="输出文件 File to write: .parquet .csv .arrow")],
    tag: Annotated[list[str], typer.Option("--tag", help="位号，可重复 Tag, may be repeated")],
    start: Annotated[
        str, typer.Option("--start", help="开始，ISO 8601 Begin")
    ] = "1970-01-01T00:00:00Z",
    end: Annotated[str, typer.Option("--end", help="结束，默认现在 End, now by default")] = "",
    config: Config = NODE,
    data: Data = None,
) -> None:
    """导出历史数据 Export history to a file."""
    from baotu.house.offline import export_history

    until = end or datetime.now(UTC).isoformat()
    guarded(lambda: typer.echo(export_history(config, data, out, tuple(tag), start, until)))


@app.command("verify-log")
def verify_log(
    folder: Annotated[
        Path | None,
        typer.Argument(help="日志或节点数据的文件夹 Folder of the log, or of a node's data"),
    ] = None,
    key: Annotated[
        str,
        typer.Option("--key", help="另存的公钥，或其文件 Public key kept elsewhere, or its file"),
    ] = "",
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="另存的检查点文件 Checkpoint kept elsewhere, a file"),
    ] = None,
    witness: Annotated[
        list[str] | None, typer.Option("--witness", help="见证者公钥 Public key of a witness")
    ] = None,
    proof: Annotated[
        Path | None, typer.Option("--proof", help="单条记录的证明文件 Proof of one record, a file")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="输出 JSON Print JSON")] = False,
    write: Annotated[
        Path | None,
        typer.Option("--write", help="把验证程序写成一个文件 Write the verifier as one file"),
    ] = None,
) -> None:
    """逐条重算并验证审计日志 Hash the audit log again and verify it."""
    from baotu.trust.audit.single import single
    from baotu.trust.audit.verify_log import main as verify

    if write is not None:
        guarded(lambda: write.write_text(single(), encoding="utf-8"))
        typer.echo(f"{write}: python {write.name} FOLDER")
        return
    words = [str(folder)] if folder is not None else []
    words += ["--key", key] * bool(key) + ["--json"] * json
    words += ["--proof", str(proof)] if proof is not None else []
    for one in checkpoint or ():
        words += ["--checkpoint", str(one)]
    for name in witness or ():
        words += ["--witness", name]
    raise typer.Exit(verify(words))


@app.command()
def tags(
    out: Annotated[Path, typer.Argument(help="输出文件 File to write: .csv or .xlsx")],
    config: Config = NODE,
) -> None:
    """把配置里的位号写成表格 Write the configured tags as a table."""
    from baotu.house.offline import write_tags

    guarded(lambda: typer.echo(write_tags(config, out)))


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="记录文件 Recorded file: .csv .dat .parquet")],
    speed: Annotated[float, typer.Option("--speed", help="倍速 Times real time")] = 10.0,
    data: Annotated[Path, typer.Option("--data", help="数据文件夹 Data folder")] = Path(
        "replay-data"
    ),
    listen: Listen = "",
    loop: Annotated[bool, typer.Option("--loop", help="循环播放 Begin again at the end")] = False,
    once: Annotated[bool, typer.Option("--once", help="放完即停 Stop when it is over")] = False,
    period: Annotated[
        str, typer.Option("--period", help="没有时间列时每行的周期 Period of a row without a time")
    ] = "1 s",
) -> None:
    """按同一条路径回放记录的数据 Play recorded data through the same path."""
    from baotu.house.demo import run_replay

    guarded(lambda: run_replay(file, speed, data, listen, loop, once, period))


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="名称，空为列出 Name, empty lists them")] = "",
    json: Annotated[bool, typer.Option("--json", help="只输出 JSON Print JSON only")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="缩短 A short run")] = False,
) -> None:
    """运行一项基准测试 Run a benchmark."""
    from baotu.house.benches import run_bench

    guarded(lambda: run_bench(name, json, quick))


@app.command()
def doctor(config: Config = NODE) -> None:
    """检查安装并给出建议 Look at an installation and say what to do."""
    from baotu.house.doctor import examine_house

    marks, worst = {"good": "✓", "warning": "!", "bad": "✗"}, "good"
    for finding in examine_house(config):
        typer.echo(
            f"{marks[finding.state]} {finding.about}: {finding.found}"
            + (f"\n    → {finding.advice}" if finding.advice else "")
        )
        if finding.state == "bad" or (finding.state == "warning" and worst == "good"):
            worst = finding.state
    if worst == "bad":
        raise typer.Exit(1)


@fault.command("list")
def fault_list(data: DemoData = Path("demo-data")) -> None:
    """列出故障 List the faults."""
    for row in asked(data, "faults"):
        typer.echo(f"{'●' if row.get('on') else '○'} {row['name']}  {row.get('title', '')}")


@fault.command("on")
def fault_on(name: Fault, data: DemoData = Path("demo-data")) -> None:
    """打开 Switch one on."""
    asked(data, "fault", name=name, on=True)


@fault.command("off")
def fault_off(name: Fault, data: DemoData = Path("demo-data")) -> None:
    """关闭 Switch one off."""
    asked(data, "fault", name=name, on=False)


@app.command("call")
def call(
    verb: Annotated[str, typer.Argument(help="应用.动词 app.verb, e.g. pumping.set_target")],
    arguments: Annotated[list[str] | None, typer.Argument(help="参数 name=value …")] = None,
    config: Config = NODE,
    data: Data = None,
) -> None:
    """在运行中的节点上执行命令或查询 Run a command or a query on a running node."""
    import json

    from baotu.house.place import data_folder

    try:
        given = dict(part.split("=", 1) for part in arguments or ())
    except ValueError:
        stop("arguments are written name=value")
    answer = asked(data_folder(config, data), "call", verb=verb, arguments=given)
    typer.echo(json.dumps(answer, ensure_ascii=False, indent=1))


@app.command("write")
def write(
    tag: Annotated[str, typer.Argument(help="位号 Tag")],
    value: Annotated[str, typer.Argument(help="值 Value, in the unit of the tag")],
    reason: Annotated[str, typer.Option("--reason", help="原因，记入审计 Why; kept in the audit")],
    key: Annotated[
        str, typer.Option("--key", help="同一个键只写一次 The same key writes once")
    ] = "",
    override: Annotated[
        bool,
        typer.Option("--override", help="越过位号的限值，须有权限 Beyond the limits of the tag"),
    ] = False,
    config: Config = NODE,
    data: Data = None,
) -> None:
    """写一个位号并读回，或申请批准 Write a tag and read it back, or ask for approval."""
    from baotu.house.place import data_folder

    folder = data_folder(config, data)
    wish = {"tag": tag, "value": value, "reason": reason, "key": key, "override": override}
    reply = asked(folder, "write", **wish)
    if reply["request"]:
        number = reply["request"]
        typer.echo(f"待批 {number} waits for approval: {reply['why']}")
        typer.echo(f"查看 see: baotu call approvals.request request={number}")
        raise typer.Exit(3)
    typer.echo(reply["value"])


def main() -> None:
    """Misuse is told like every other refusal: both languages, and where to read on."""
    try:
        status = app(prog_name="baotu", standalone_mode=False)
    except Misuse as error:
        context: Any = error.ctx
        if not error.format_message():  # a group without a command: it has shown its help
            sys.exit(2)
        way = context.command_path if context is not None else "baotu"
        chinese, english = halves(bilingual(error.format_message().removesuffix(".")))
        told(f"{chinese}；用法见 {way} --help{SEAM}{english}; see {way} --help")
        sys.exit(2)
    except typer.Abort:
        sys.exit(130)
    sys.exit(status)


if __name__ == "__main__":
    main()

"""Machine rental by the metered hour: offers, bookings, hour counters, invoices in double entry."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated as A

from sqlalchemy import func, select

from baotu.sdk import (
    App,
    Call,
    Conflict,
    Event,
    Facts,
    Invalid,
    Job,
    Records,
    Samples,
    command,
    money,
    page,
    query,
    result,
    stream,
    view,
)  # fmt: skip

from . import tour
from .tables import Booking, Entry, Offer, Posting, Round


class Rental(App):
    """Rent machines out and invoice the hours they really ran. 按实际运行小时出租设备。"""

    tables = (Offer, Booking, Entry, Posting, Round)

    # fmt: off
    @command(permission="rental.offer", title="发布设备 Offer a machine")
    def offer(self, records: Records, machine: A[str, "设备 Machine"], tag: A[int, "小时表位号 Hour counter tag"],
              price: A[Decimal, "每小时单价 Price per hour"], longitude: A[float, "经度 Longitude"] = 117.0,
              latitude: A[float, "纬度 Latitude"] = 36.7) -> Offer:
        """Put a machine on offer at a price for each hour it runs."""
        if price <= 0:
            raise Invalid("price", "must be more than 0")
        new = Offer(machine=machine, tag=tag, price=price, longitude=longitude, latitude=latitude)
        return records.put(new)

    @command(permission="rental.book", title="预订 Book")
    def book(self, records: Records, offer: A[int, "设备编号 Machine id"], customer: A[str, "客户 Customer"],
             start: A[datetime, "开始 Start"], end: A[datetime, "结束 End"]) -> Facts[int]:
        """Book a machine for a time in which nobody else has it."""
        if end <= start:
            raise Invalid("end", "must be after start")
        overlap = select(Booking).where(Booking.offer == offer, Booking.start < end, Booking.end > start)
        if taken := records.scalar(overlap.limit(1)):
            raise Conflict("start", f"{taken.customer} has it until {taken.end:%Y-%m-%d %H:%M}")
        new = records.put(Booking(offer=offer, customer=customer, start=start, end=end))
        yield Event("rental.booked", {"booking": new.id})
        return new.id

    @stream(asset="RentalMachine", property="hours")
    def meter(self, samples: Samples, records: Records) -> None:
        """Hour counters only rise, so the first and the last reading tell all."""
        for tag, one in samples.good().by_tag():
            for booking in records.scalars(select(Booking).join(Offer).where(Offer.tag == tag)):
                seen = one.between(booking.start, booking.end).value
                if len(seen):
                    known = [h for h in (booking.first_h, booking.last_h) if h is not None]
                    booking.first_h = min([*known, float(seen.min())])
                    booking.last_h = max([*known, float(seen.max())])

    @command(permission="rental.invoice", title="开票 Invoice")
    def invoice(self, records: Records, call: Call, booking: A[int, "预订编号 Booking id"]) -> Facts[Decimal]:
        """Invoice the hours run since the last invoice: one entry, two postings."""
        found = records.find(Booking, booking)
        hours = round(found.ran_h - found.invoiced_h, 2)
        if hours <= 0:
            raise Conflict("booking", "has not run since the last invoice")
        amount = money(Decimal(str(hours)) * records.find(Offer, found.offer).price)
        entry = records.put(Entry(booking=booking, time=call.now, hours=hours, text=f"{hours} h"))
        records.put(Posting(entry=entry.id, account=f"receivable:{found.customer}", amount=amount))
        records.put(Posting(entry=entry.id, account="revenue:rental", amount=-amount))
        found.invoiced_h = found.ran_h
        yield Event("rental.invoiced", {"entry": entry.id})
        return amount

    @query(title="余额 Balances")
    def balances(self, records: Records) -> dict[str, Decimal]:
        """What each account holds."""
        return dict(records.execute(select(Posting.account, func.sum(Posting.amount)).group_by(Posting.account)).all())

    @command(permission="rental.plan", title="规划配送路线 Plan the delivery round")
    def plan_round(self, records: Records, restarts: A[int, "重启次数 Restarts"] = 200) -> Facts[str]:
        """Find a short round to all machines."""
        points = [(o.longitude, o.latitude) for o in records.scalars(select(Offer).order_by(Offer.id))]
        yield Job(tour.solve, tour.Places(points, restarts), seed=1)
        return f"{len(points)} places"

    @result(of=tour.solve)
    def planned(self, records: Records, result: tour.Tour) -> None:
        names = list(records.scalars(select(Offer.machine).order_by(Offer.id)))
        records.put(Round(offers=", ".join(names[i] for i in result.order), length=result.length))

    @page(title="设备租赁 Machine rental")
    def overview(self, records: Records) -> view.Column:
        offers = {o.id: o for o in records.scalars(select(Offer).order_by(Offer.id))}
        booked = [(b, offers[b.offer]) for b in records.scalars(select(Booking).order_by(Booking.start))]
        found = records.scalar(select(Round).order_by(Round.id.desc()).limit(1))
        columns = ("编号 Id", "设备 Machine", "客户 Customer", "开始 Start", "结束 End", "运行小时 Hours", "单价 Price")
        rows = tuple((b.id, o.machine, b.customer, b.start, b.end, round(b.ran_h, 2), o.price) for b, o in booked)
        bars = tuple(view.Bar(o.machine, b.start, b.end, b.customer) for b, o in booked)
        places = tuple(view.Place(o.machine, o.longitude, o.latitude) for o in offers.values())
        route = tuple(found.offers.split(", ")) if found else ()
        return view.column(
            view.row(view.Gantt(bars, title="排期 Schedule"), view.Map(places, route, title="配送路线 Round")),
            view.Table(columns, rows, title="预订 Bookings"),
            view.row(view.Form("offer"), view.Form("book"), view.Form("invoice"), view.Form("plan_round")),
        )

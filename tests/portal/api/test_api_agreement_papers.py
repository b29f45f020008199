"""The PDF and the bundle over HTTP."""

from agreements.bundle import verify_bundle
from tests.portal.api.api_stand import Stand


def in_force(stand: Stand) -> str:
    """The agreement that the stand's grant is under."""
    listed = stand.ask("GET", "/api/agreements", as_="coordinator").json()["items"]
    return str(next(one["id"] for one in listed if one["status"] == "in_force"))


def test_a_party_downloads_paper_and_bundle(stand: Stand) -> None:
    agreement_id = in_force(stand)
    paper = stand.ask("GET", f"/api/agreements/{agreement_id}/document.pdf", as_="lead")
    assert (paper.status_code, paper.headers["content-type"]) == (200, "application/pdf")
    assert paper.headers["cache-control"] == "no-store"
    assert paper.headers["content-disposition"] == f'attachment; filename="{agreement_id}.pdf"'
    assert paper.content.startswith(b"%PDF-")
    first = stand.ask("GET", f"/api/agreements/{agreement_id}/document.pdf?version=1", as_="lead")
    assert first.headers["content-disposition"] == f'attachment; filename="{agreement_id}-v1.pdf"'
    bundle = stand.ask("GET", f"/api/agreements/{agreement_id}/bundle", as_="lead")
    assert (bundle.status_code, bundle.headers["content-type"]) == (200, "application/zip")
    assert bundle.headers["cache-control"] == "no-store"
    assert bundle.headers["content-disposition"] == f'attachment; filename="{agreement_id}.zip"'
    assert verify_bundle(bundle.content, vkey=stand.portal.log.vkey).agreement_id == agreement_id


def test_others_are_told_that_there_is_none(stand: Stand) -> None:
    agreement_id = in_force(stand)
    for path in ("document.pdf", "bundle"):
        assert stand.ask("GET", f"/api/agreements/{agreement_id}/{path}").status_code == 401
        for name in ("stranger", "researcher"):
            refused = stand.ask("GET", f"/api/agreements/{agreement_id}/{path}", as_=name)
            assert (refused.status_code, refused.json()["code"]) == (404, "agreement_not_found")
    assert stand.ask("GET", f"/api/agreements/{agreement_id}/document.pdf?version=9", as_="lead").status_code == 404
    assert stand.ask("GET", f"/api/agreements/{agreement_id}/document.pdf?version=x", as_="lead").status_code == 422

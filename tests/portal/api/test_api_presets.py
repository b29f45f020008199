"""Presets over HTTP."""

from tests.portal.api.api_stand import Stand


def test_a_preset_is_kept_read_and_removed(stand: Stand) -> None:
    body = {"name": "Cold and short", "recipe": {"temperature": 0.1, "max_tokens": 8}}
    saved = stand.ask("POST", "/api/presets", as_="partner", json=body)
    assert saved.status_code == 201, saved.text
    preset_id = saved.json()["id"]
    names = [one["name"] for one in stand.ask("GET", "/api/presets", as_="partner").json()["items"]]
    assert names[:2] == ["Balanced", "Greedy"]
    assert names[-1] == "Cold and short"
    assert stand.ask("GET", f"/api/presets/{preset_id}", as_="partner").json()["recipe"]["temperature"] == 0.1
    assert stand.ask("GET", f"/api/presets/{preset_id}", as_="coordinator").json()["code"] == "preset_not_found"
    assert stand.ask("POST", f"/api/presets/{preset_id}/remove", as_="partner").status_code == 200
    assert stand.ask("GET", f"/api/presets/{preset_id}", as_="partner").status_code == 404


def test_a_recipe_that_cannot_be_is_refused_by_its_field(stand: Stand) -> None:
    refused = stand.ask("POST", "/api/presets", as_="partner", json={"name": "Hot", "recipe": {"temperature": 9}})
    assert refused.status_code == 422
    assert "temperature" in refused.text

"""
One person's whole way, without a single outside key: sign in, let the studio write and draw,
make a post of it, schedule it, have it published, and see it counted.
"""

from __future__ import annotations

from tests.web.worlds import World


def test_from_an_idea_to_a_published_post(world: World) -> None:
    """Each step through the routes alone."""
    ada = world.person()

    made = ada.post("/api/generate", {"idea": "Our team writes less and says more"}).json()
    text, image = made["textVariations"][2], made["images"][4]
    choice = {"selectedTextId": text["id"], "selectedImageId": image["id"]}
    assert ada.patch(f"/api/generations/{made['id']}", choice).status_code == 200

    post = ada.a_post(title="Less", content=text["content"], imageUrl=image["url"])
    path = f"/api/posts/{post['id']}"
    ada.patch(path, {"title": "Less is more"})
    ada.post(f"{path}/schedule", {"scheduledAt": world.soon()})
    assert world.cron().json()["total"] == 0
    world.layer.wait(seconds=61)
    assert world.cron().json() == {"processed": 1, "failed": 0, "total": 1, "recovered": 0}

    (sent,) = world.outside.posts_to("/n8n/")
    assert sent.body["content"] == text["content"]
    picture = world.browser().get(sent.body["imageUrl"].removeprefix(world.address))
    assert picture.status_code == 200
    done = {
        "postId": post["id"],
        "status": "published",
        "linkedinPostUrn": "urn:li:share:1",
        "callbackId": sent.headers["idempotency-key"],
    }
    assert world.callback(done).status_code == 200

    published = ada.get(path).json()
    assert (published["status"], published["title"]) == ("published", "Less is more")
    assert ada.get("/api/dashboard").json()["stats"]["published"] == 1
    assert ada.get("/api/analytics").json()["topPosts"][0]["linkedinPostUrn"] == "urn:li:share:1"

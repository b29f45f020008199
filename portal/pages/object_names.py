"""What people call the objects that records name by kind and id."""

from agreements.actors import Actor
from agreements.errors import ConcordatError
from portal.composition import Portal
from portal.pages.frame import institution_name


def name_of(portal: Portal, actor: Actor, stream: str) -> str:
    """The name of ``kind/id`` as the actor may know it; the id where there is none, or none that they may know."""
    kind, _, object_id = stream.partition("/")
    try:
        match kind:
            case "grant":
                return portal.grants.get(actor, object_id).grant.label
            case "agreement":
                return portal.agreements.get(actor, object_id).title
            case "person":
                return portal.people.name(object_id)
            case "passport":
                return institution_name(object_id)
            case "program":
                return portal.programs.get(actor, object_id).name
            case "identity_provider":
                return portal.identity_providers.get(actor, object_id).label
            case _:
                return object_id
    except ConcordatError:
        return object_id

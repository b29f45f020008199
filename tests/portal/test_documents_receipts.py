"""What the offline check of a receipt tells: every field, by name."""

from model_access.receipts import PREDICATE_TYPE, LogprobsOf, RunStatement, sign_receipt
from portal.documents import verify_document
from tests.model_access.test_receipts import LAB, LOG, NOW, entry, logged, predicate


def test_the_verifier_lists_every_field() -> None:
    more = {"logprobs_of": LogprobsOf.MODEL, "batch_id": "batch_1", "kept_until": NOW, "logprob_decimals": 2}
    envelope = sign_receipt(RunStatement.about(predicate().model_copy(update=more)), LAB)
    facts = {fact.name: fact.value for fact in verify_document(logged(envelope, entry(envelope)), vkey=LOG.vkey).facts}
    said = predicate()
    assert facts["checkpoint digest"] == said.manifest_digest
    assert facts["basis"] == "grant grt_1"
    assert facts["agreement version"] == said.agreement_digest
    assert facts["parameters"] == "max_tokens 4, temperature 0.7"
    assert facts["prompt digest"] == f"sha256:{said.prompts.sha256}, salt {said.prompts.salt}"
    assert facts["answer digest"] == f"sha256:{said.outputs.sha256}, salt {said.outputs.salt}"
    assert (facts["seed"], facts["precision"], facts["sandbox"]) == ("7", "float32", "landlock+seccomp/1")
    assert facts["engine"].startswith(f"concordat {said.engine.concordat}, torch ")
    assert (facts["tokens"], facts["ended"]) == ("1 prompt, 1 completion", "length")
    assert (facts["ran"], facts["finished"]) == ("2026-11-23 09:00:00 UTC", "2026-11-23 09:00:00 UTC")
    assert (facts["batch"], facts["kept until"]) == ("batch_1", "2026-11-23 09:00:00 UTC")
    assert facts["probabilities"].startswith("the model's own")
    assert facts["probabilities"].endswith("rounded to 2 decimals")
    assert facts["statement"] == PREDICATE_TYPE

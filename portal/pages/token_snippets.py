"""How a token is used, as code to copy: each works as it stands, with the token in an environment variable."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Use:
    """What the code is for. ``purpose`` is one to declare, empty where none has to be."""

    portal: str
    model: str
    purpose: str = ""
    bound: bool = False


def snippets(use: Use) -> dict[str, tuple[str, str]]:
    """Language and code, by what it is called. A bound token proves its key, which curl cannot do."""
    found = {} if use.bound else {"curl": ("bash", _curl(use))}
    return found | {"Python": ("python", _python(use)), "openai": ("python", _openai(use))}


def refreshing(portal: str, *, bound: bool) -> tuple[str, str]:
    """Language and code that trade a refresh token for the next pair."""
    if not bound:
        code = (
            f"curl {portal}/oauth/token -d grant_type=refresh_token \\\n"
            '  --data-urlencode "refresh_token=$CONCORDAT_REFRESH"'
        )
        return "bash", code
    code = (
        "import os\nimport time\nfrom pathlib import Path\n\nimport httpx\nfrom model_access.client import DPoPKey\n\n"
        f'address, key = "{portal}/oauth/token", DPoPKey.load(Path("dpop.pem"))\n'
        "answer = httpx.post(\n"
        "    address,\n"
        '    data={"grant_type": "refresh_token", "refresh_token": os.environ["CONCORDAT_REFRESH"]},\n'
        '    headers={"DPoP": key.proof("POST", address, now_s=time.time())},\n'
        ")\n"
        'token, refresh = answer.json()["access_token"], answer.json()["refresh_token"]'
    )
    return "python", code


def _curl(use: Use) -> str:
    header = f' \\\n  -H "X-Concordat-Purpose: {use.purpose}"' if use.purpose else ""
    return (
        f'curl {use.portal}/v1/completions \\\n  -H "Authorization: Bearer $CONCORDAT_TOKEN"{header} \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f'  -d \'{{"model": "{use.model}", "prompt": "Once upon a time", "max_tokens": 24}}\''
    )


def _python(use: Use) -> str:
    purpose = f'"X-Concordat-Purpose": "{use.purpose}"' if use.purpose else ""
    if use.bound:
        head = _BOUND
        credential = f"auth=auth{f', headers={{{purpose}}}' if purpose else ''}"
    else:
        head = "import os\n\nimport httpx\n\n"
        bearer = '"Authorization": f"Bearer {os.environ[\'CONCORDAT_TOKEN\']}"'
        credential = f"headers={{{bearer}{', ' if purpose else ''}{purpose}}}"
    return (
        f"{head}"
        "answer = httpx.post(\n"
        f'    "{use.portal}/v1/completions",\n'
        f"    {credential},\n"
        f'    json={{"model": "{use.model}", "prompt": "Once upon a time", "max_tokens": 24}},\n'
        "    timeout=60,\n"
        ")\n"
        'print(answer.headers["x-concordat-run"], answer.json()["choices"][0]["text"])'
    )


def _openai(use: Use) -> str:
    headers = f',\n    default_headers={{"X-Concordat-Purpose": "{use.purpose}"}}' if use.purpose else ""
    if use.bound:
        head = _BOUND.replace("import httpx\n", "from openai import DefaultHttpxClient, OpenAI\n")
        credential = 'api_key="bound", http_client=DefaultHttpxClient(auth=auth)'
    else:
        head = "import os\n\nfrom openai import OpenAI\n\n"
        credential = 'api_key=os.environ["CONCORDAT_TOKEN"]'
    return (
        f"{head}"
        "client = OpenAI(\n"
        f'    base_url="{use.portal}/v1", {credential}{headers}\n'
        ")\n"
        f'answer = client.completions.create(model="{use.model}", prompt="Once upon a time", max_tokens=24)\n'
        "print(answer.choices[0].text)"
    )


_BOUND = (
    "import os\nfrom pathlib import Path\n\nimport httpx\n"
    "from model_access.client import DPoPAuth, DPoPKey  # pip install 'concordat[client]'\n\n"
    'auth = DPoPAuth(os.environ["CONCORDAT_TOKEN"], DPoPKey.load(Path("dpop.pem")))\n'
)

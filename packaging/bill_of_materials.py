"""The software bill of materials of the program, as CycloneDX 1.5 in JSON, from what Cargo itself says.

    python3 packaging/bill_of_materials.py > steadfast.cdx.json

Everything that is linked into the program, with version, licence and checksum; what only builds or tests it is left out.
"""

import json
import pathlib
import subprocess
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> None:
    told = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", host()],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )
    metadata = json.loads(told.stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    checksums = {
        (package["name"], package["version"]): package.get("checksum")
        for package in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    }
    linked = linked_from(root, nodes)
    components = [component(packages[one], checksums) for one in sorted(linked - {root})]
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(packages[root], checksums)},
        "components": components,
        "dependencies": [
            {"ref": ref(packages[one]), "dependsOn": sorted(ref(packages[other]) for other in links(nodes[one]))}
            for one in sorted(linked)
        ],
    }
    print(json.dumps(bill, indent=1))


def host() -> str:
    told = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return next(line.split()[1] for line in told.splitlines() if line.startswith("host:"))


def links(node: dict) -> list[str]:
    """What a package links: dependencies that are neither for building nor for tests."""
    return [one["pkg"] for one in node["deps"] if any(kind["kind"] is None for kind in one["dep_kinds"])]


def linked_from(root: str, nodes: dict) -> set[str]:
    found, waiting = set(), [root]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(links(nodes[one]))
    return found


def ref(package: dict) -> str:
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package: dict, checksums: dict) -> dict:
    checksum = checksums.get((package["name"], package["version"]))
    about = {
        "type": "application" if package["name"] == "steadfast" else "library",
        "bom-ref": ref(package),
        "name": package["name"],
        "version": package["version"],
        "purl": ref(package),
    }
    if package.get("license"):
        about["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum:
        about["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return about


if __name__ == "__main__":
    main()

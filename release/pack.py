"""Archives, wheels and the SPDX document of a release, with the same bytes whenever they are made from the same files.
Part of the build, not of lethe. The times in them are SOURCE_DATE_EPOCH.
  pack.py archive OUT.tar.gz|OUT.zip FOLDER_INSIDE FILE...
  pack.py wheel OUT.whl TAG VERSION PROGRAM README LICENSE NOTICES
  pack.py spdx OUT.json FACTS.tsv      (release.sh writes the facts: see spdx below)"""
import base64, gzip, hashlib, io, json, os, pathlib, sys, tarfile, time, zipfile

EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
PROGRAMS = ("lethe", "lethe.exe")


def zip_add(archive, name, data, mode):
    """zip knows no time before 1980, and none of odd seconds."""
    info = zipfile.ZipInfo(name, max(time.gmtime(EPOCH)[:6], (1980, 1, 1, 0, 0, 0)))
    info.external_attr = (0o100000 | mode) << 16
    info.create_system = 3
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data)


def mode(path):
    return 0o755 if os.path.basename(path) in PROGRAMS else 0o644


def archive(out, folder, *files):
    names = sorted((f"{folder}/{os.path.basename(file)}", file) for file in files)
    if out.endswith(".zip"):
        with zipfile.ZipFile(out, "w") as zipped:
            for name, file in names:
                zip_add(zipped, name, pathlib.Path(file).read_bytes(), mode(file))
        return
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, file in names:
            data = pathlib.Path(file).read_bytes()
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), mode(file), EPOCH
            tar.addfile(info, io.BytesIO(data))
    with open(out, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=EPOCH) as packed:
        packed.write(raw.getvalue())


def wheel(out, tag, version, program, readme, license_file, notices):
    """The program as a script of the environment; nothing of it is Python."""
    info = f"lethe-{version}.dist-info"
    metadata = f"""Metadata-Version: 2.1
Name: lethe
Version: {version}
Summary: Fine-tunes a text encoder on one task after another and shows what it forgets
License: MIT
License-File: LICENSE
License-File: NOTICES.txt
Keywords: bert,fine-tuning,continual-learning,catastrophic-forgetting,lora
Classifier: Environment :: Console
Classifier: Topic :: Scientific/Engineering :: Artificial Intelligence
Description-Content-Type: text/markdown

"""
    tags = "".join(f"Tag: {part}\n" for part in tag.split("."))
    files = [
        (f"lethe-{version}.data/scripts/{os.path.basename(program)}", pathlib.Path(program).read_bytes(), 0o755),
        (f"{info}/licenses/LICENSE", pathlib.Path(license_file).read_bytes(), 0o644),
        (f"{info}/licenses/NOTICES.txt", pathlib.Path(notices).read_bytes(), 0o644),
        (f"{info}/METADATA", metadata.encode() + pathlib.Path(readme).read_bytes(), 0o644),
        (f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: lethe\nRoot-Is-Purelib: false\n{tags}".encode(), 0o644),
    ]
    record = ""
    for name, data, _ in files:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    files.append((f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode(), 0o644))
    with zipfile.ZipFile(out, "w") as zipped:
        for name, data, bits in files:
            zip_add(zipped, name, data, bits)


def spdx(out, facts):
    """SPDX 2.3. A line of the facts is one of
      package <tab> ID <tab> name <tab> version <tab> licence <tab> where it is from <tab> purpose <tab> file or sha256
      relation <tab> ID <tab> kind <tab> ID
      licence <tab> ID <tab> name <tab> file with its text
    The first package is what the document describes."""
    packages, relations, licences = [], [], []
    for line in pathlib.Path(facts).read_text().splitlines():
        kind, *fields = line.split("\t")
        if kind == "package":
            ident, name, version, licence, source, purpose, checked = fields
            package = {"SPDXID": f"SPDXRef-{ident}", "name": name, "versionInfo": version, "filesAnalyzed": False,
                       "downloadLocation": "NOASSERTION", "licenseConcluded": licence, "licenseDeclared": licence,
                       "copyrightText": "NOASSERTION", "primaryPackagePurpose": purpose}
            if source:
                package["sourceInfo"] = source
            if os.path.exists(checked):
                package["packageFileName"] = os.path.basename(checked)
                checked = hashlib.sha256(pathlib.Path(checked).read_bytes()).hexdigest()
            if checked:
                package["checksums"] = [{"algorithm": "SHA256", "checksumValue": checked}]
            packages.append(package)
        elif kind == "relation":
            relations.append({"spdxElementId": f"SPDXRef-{fields[0]}", "relationshipType": fields[1],
                              "relatedSpdxElement": f"SPDXRef-{fields[2]}"})
        elif kind == "licence":
            licences.append({"licenseId": fields[0], "name": fields[1],
                             "extractedText": pathlib.Path(fields[2]).read_text(errors="replace")})
    digest = hashlib.sha256(json.dumps([packages, relations]).encode()).hexdigest()
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"lethe-{packages[0]['versionInfo']}",
        "documentNamespace": f"urn:lethe:{packages[0]['versionInfo']}:{digest}",
        "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH)), "creators": ["Tool: lethe-release"]},
        "packages": packages, "hasExtractedLicensingInfos": licences,
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                           "relatedSpdxElement": packages[0]["SPDXID"]}] + relations,
    }
    pathlib.Path(out).write_text(json.dumps(document, indent=1) + "\n")


{"archive": archive, "wheel": wheel, "spdx": spdx}[sys.argv[1]](*sys.argv[2:])

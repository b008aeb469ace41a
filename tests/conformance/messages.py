"""BaRS messages of our own: a case and a few words become the Bundle that a sender would post.

    case = Case()
    case.message()                                  a new referral, in the narrow form of the decision table
    case.message("update", "on-hold", person={})    a newer version of the same case, by a sender who knows no more

All people are made up; their numbers lie in the range that is set aside for tests.
"""
import dataclasses
import itertools
import uuid

RECEIVER, SENDER = "111111111", "RND"
FHIR, UK_CORE = "https://fhir.nhs.uk", "https://fhir.hl7.org.uk"
# What the narrow table says of a new message, by category: statuses of CarePlan and Encounter.
NARROW = {"referral": ("completed", ("triaged", "finished")), "validation": ("active", ("triaged", "in-progress"))}


def nhs_numbers(first=9990001000):
    """Valid numbers of the test range, one after another."""
    for nine in itertools.count(first // 10):
        check = 11 - sum((10 - i) * int(digit) for i, digit in enumerate(str(nine))) % 11
        if check != 10:
            yield f"{nine}{check % 11}"


NUMBERS = nhs_numbers()


def person():
    return {"nhs_number": next(NUMBERS), "family": "Example", "given": "Ada", "birth_date": "1959-05-04", "gender": "female",
            "postcode": "LS10 4YU", "phone": "0113 496 0001", "practice": "A1001"}


def coded(system, code, **more):
    return {"coding": [{"system": system, "code": code, **more}]}


def uk_core(kind):
    return f"{UK_CORE}/StructureDefinition/UKCore-{kind}"


@dataclasses.dataclass
class Case:
    """One person and one service, as one sender knows them. `person`: without a key, the element is not in the message."""
    category: str = "referral"
    person: dict = dataclasses.field(default_factory=person)
    correlation: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    case_number: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    hour: int = 0

    def message(self, reason="new", status="active", plan=None, encounter=None, **changes):
        """Each is an hour later than the one before. `changes`: `person`, `risk`, `consent`."""
        self.hour += 1
        about = {"person": self.person, "risk": True, "consent": True, **changes}
        narrow_plan, narrow_encounters = NARROW[self.category]
        self.when = f"2025-11-{1 + self.hour // 24:02}T{self.hour % 24:02}:00:00+00:00"
        resources = {
            "header": self.header(reason), "request": self.request(status), "patient": self.patient(about["person"]),
            "plan": {"resourceType": "CarePlan", "status": plan or narrow_plan, "intent": "plan", "subject": self.to("patient"),
                     "encounter": self.to("encounter"), "period": {"start": self.when},
                     "activity": [{"outcomeCodeableConcept": [{"text": "Lives alone and would like company"}]}]},
            "encounter": {"resourceType": "Encounter", "status": encounter or narrow_encounters[0], "subject": self.to("patient"),
                          "identifier": [{"system": "https://sender.example/Id/case-number", "value": self.case_number}],
                          "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR", "display": "virtual"},
                          "period": {"start": self.when}},
            "practice": self.organisation("A surgery", about["person"].get("practice")),
            "sender": self.organisation("A hospital", SENDER),
            "receiver": self.organisation("Social prescribing", "SVC01"),
            "service": {"resourceType": "HealthcareService", "active": True, "name": "Social prescribing link workers",
                        "identifier": [{"system": f"{FHIR}/Id/dos-service-id", "value": RECEIVER}],
                        "providedBy": self.to("receiver")},
            "role": {"resourceType": "PractitionerRole", "practitioner": self.to("practitioner"), "organization": self.to("sender"),
                     "code": [coded("http://snomed.info/sct", "158965000", display="Medical practitioner")]},
            "practitioner": {"resourceType": "Practitioner", "name": [{"family": "Referrer", "given": ["Rita"]}],
                             "identifier": [{"system": f"{FHIR}/Id/sds-role-profile-id", "value": "PT2489"}],
                             "telecom": [{"system": "phone", "value": "0113 496 0000", "use": "work"}]},
        }
        if about["risk"]:
            resources["flag"] = {
                "resourceType": "Flag", "status": "active", "subject": self.to("patient"),
                "category": [coded(f"{FHIR}/CodeSystem/flag-categories-bars", "SG", display="Safeguarding")],
                "code": {"text": "A neighbour who shouts at her"}}
        if about["consent"]:
            resources["consent"] = {
                "resourceType": "Consent", "status": "active", "patient": self.to("patient"), "dateTime": self.when,
                "scope": coded("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
                "category": [coded(f"{FHIR}/CodeSystem/consent-categories-bars", "DRC", display="Direct Care")],
                "policyRule": coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMPLIED")}
        for resource in resources.values():
            resource["meta"] = {"lastUpdated": self.when, "profile": [uk_core(resource["resourceType"])]}
        bundle_id = str(uuid.uuid5(uuid.UUID(self.correlation), f"{reason} {self.hour}"))
        return {"resourceType": "Bundle", "id": bundle_id, "meta": {"versionId": "1.0.0", "lastUpdated": self.when},
                "type": "message", "timestamp": self.when,
                "entry": [{"fullUrl": self.url(name), "resource": resource} for name, resource in resources.items()]}

    def url(self, name):
        return f"urn:uuid:{uuid.uuid5(uuid.UUID(self.correlation), name)}"

    def to(self, name):
        return {"reference": self.url(name)}

    def header(self, reason):
        return {
            "resourceType": "MessageHeader",
            "eventCoding": {"system": f"{FHIR}/CodeSystem/message-events-bars", "code": "servicerequest-request"},
            "destination": [{"endpoint": f"{FHIR}/Id/dos-service-id|{RECEIVER}", "receiver": self.to("receiver")}],
            "sender": self.to("sender"), "reason": coded(f"{FHIR}/CodeSystem/message-reason-bars", reason),
            "source": {"name": "Ward 7", "endpoint": f"{FHIR}/Id/dos-service-id|2222222222",
                       "contact": {"system": "phone", "value": "0113 496 0002"}},
            "focus": [self.to("request")],
            "definition": f"{FHIR}/MessageDefinition/bars-message-servicerequest-request-{self.category}"}

    def request(self, status):
        return {
            "resourceType": "ServiceRequest", "status": status, "intent": "plan", "priority": "routine",
            "category": [coded(f"{FHIR}/CodeSystem/message-category-servicerequest", self.category)],
            "code": coded("http://snomed.info/sct", "871731000000106", display="Referral to social prescribing service"),
            "subject": self.to("patient"), "encounter": self.to("encounter"), "basedOn": [self.to("plan")],
            "authoredOn": self.when, "requester": self.to("practitioner"), "performer": [self.to("service")],
            "reasonCode": [{"text": "Lonely since her husband died"}]}

    def patient(self, known):
        patient = {"resourceType": "Patient", "generalPractitioner": [self.to("practice")]}
        if "nhs_number" in known:
            patient["identifier"] = [{
                "extension": [{"url": uk_core("NHSNumberVerificationStatus").replace("UKCore", "Extension-UKCore"),
                               "valueCodeableConcept": coded(f"{UK_CORE}/CodeSystem/UKCore-NHSNumberVerificationStatus",
                                                             "number-present-and-verified")}],
                "system": f"{FHIR}/Id/nhs-number", "value": known["nhs_number"]}]
        if "family" in known:
            patient["name"] = [{"use": "official", "family": known["family"], "given": [known["given"]]}]
        if "birth_date" in known:
            patient["birthDate"] = known["birth_date"]
        if "gender" in known:
            patient["gender"] = known["gender"]
        if "postcode" in known:
            patient["address"] = [{"use": "home", "line": ["22 Brightside Crescent"], "city": "Overtown",
                                   "postalCode": known["postcode"]}]
        if "phone" in known:
            patient["telecom"] = [{"system": "phone", "value": known["phone"], "use": "mobile", "rank": 1}]
        return patient

    def organisation(self, name, ods_code):
        identifier = {"identifier": [{"system": f"{FHIR}/Id/ods-organization-code", "value": ods_code}]} if ods_code else {}
        return {"resourceType": "Organization", "name": name, **identifier}

// Validates FHIR R4 resources with the validator of HAPI FHIR, without a network.
//
//   java -cp 'JARS/*' Validate.java FOLDER
//
// Reads each *.json of FOLDER in the order of their names and prints a line for each message of the validator:
// FILE, severity, element, text, separated by tabs. Profiles and code systems that are not at hand are warnings, and nobody is
// asked for them; that a resource has no narrative is no fault of something that programs read.
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeSet;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;
import org.hl7.fhir.utilities.i18n.I18nConstants;

public class Validate {
  public static void main(String[] arguments) throws IOException {
    FhirContext context = FhirContext.forR4();
    UnknownCodeSystemWarningValidationSupport unknown = new UnknownCodeSystemWarningValidationSupport(context);
    unknown.setNonExistentCodeSystemSeverity(IValidationSupport.IssueSeverity.WARNING);
    FhirInstanceValidator instances = new FhirInstanceValidator(new ValidationSupportChain(
        new DefaultProfileValidationSupport(context), new CommonCodeSystemsTerminologyService(context),
        new InMemoryTerminologyServerValidationSupport(context), unknown));
    instances.setErrorForUnknownProfiles(false);
    instances.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
    FhirValidator validator = context.newValidator().registerValidatorModule(instances);

    TreeSet<Path> files = new TreeSet<>();
    try (DirectoryStream<Path> folder = Files.newDirectoryStream(Path.of(arguments[0]), "*.json")) {
      folder.forEach(files::add);
    }
    for (Path file : files) {
      for (SingleValidationMessage message : validator.validateWithResult(Files.readString(file)).getMessages()) {
        // HAPI's own check of the outermost resource knows no warning for a profile that is not at hand.
        boolean noProfile = I18nConstants.VALIDATION_VAL_PROFILE_UNKNOWN.equals(message.getMessageId())
            || message.getMessage().startsWith("Invalid profile. Failed to retrieve profile");
        System.out.printf("%s\t%s\t%s\t%s%n", file.getFileName(), noProfile ? "warning" : message.getSeverity().getCode(),
            message.getLocationString(), message.getMessage().replaceAll("\\s+", " "));
      }
    }
  }
}

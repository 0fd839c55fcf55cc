import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

/** Finds each expression in each text, on a thread with a stack of so many bytes; one line for each pair. */
public final class Match {
  public static void main(String[] arguments) throws Exception {
    List<String> expressions = Files.readAllLines(Path.of(arguments[0]));
    List<String> texts = Files.readAllLines(Path.of(arguments[1]));
    Thread thread = new Thread(null, () -> compare(expressions, texts), "small", Long.parseLong(arguments[2]));
    thread.start();
    thread.join();
  }

  private static void compare(List<String> expressions, List<String> texts) {
    for (String expression : expressions) {
      for (String text : texts) {
        try {
          System.out.println(Pattern.compile(expression).matcher(text).find() ? "found" : "not found");
        } catch (StackOverflowError error) {
          System.out.println("overflow");
        }
      }
    }
  }
}
